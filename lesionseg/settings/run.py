"""The stages that write into a run folder: preprocess, train, run and demo."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.common import Device, Extras, LossSlabs, Models, Seed, SizeEdges, Workers
from lesionseg.settings.data import DataSettings
from lesionseg.settings.network import NetworkSettings
from lesionseg.settings.plan import PlanOverrides
from lesionseg.settings.reading import DicomSettings
from lesionseg.settings.record import Edges, Record, Text
from lesionseg.settings.sampling import SamplingRule
from lesionseg.settings.training import TrainSettings


class RunFolder(Seed):
    """What all of them have."""

    output: Text = Field(
        description="The run folder: preprocessed/, models/, predictions/, report/, run.json."
    )


class Preparation(Record):
    """The groups that say how scans become cases."""

    data: DataSettings = Field(description="Where the scans are.")
    dicom: DicomSettings = Field(
        description="Which DICOM series are read, and what may be mended in them."
    )
    plan: PlanOverrides = Field(description="What is decided instead of the planner.")


class Training(Device):
    """The keys and groups that say what is trained, and how."""

    models: Annotated[tuple[str, ...], Models] = Field(
        default=("unet", "maskrcnn"),
        examples=[("unet", "maskrcnn")],
        description="Networks to train and compare.",
    )
    sampling: SamplingRule = Field(description="Which slabs are trained on.")
    augmentation: AugmentationRule = Field(description="How slabs are varied.")
    train: TrainSettings = Field(description="Budget and optimisation.")
    network: NetworkSettings = Field(description="Each network.")


class PreprocessSettings(Preparation, Workers, RunFolder):
    """The stage `preprocess`."""


class TrainStageSettings(Training, SizeEdges, RunFolder):
    """The stage `train`."""


class RunSettings(Training, LossSlabs, PreprocessSettings):
    """The stages `run` and `demo`."""

    save: Annotated[tuple[str, ...], Extras] = Field(
        default=("candidates",),
        examples=[("candidates", "probability")],
        description="What is saved beside masks, instances and tables; candidates: lesions below "
        "the threshold too.",
    )
    edges_mm: Edges | None = Field(
        default=None,
        examples=[(3, 5, 10)],
        description="Ascending diameters between the size buckets; null: as the data card says.",
    )
