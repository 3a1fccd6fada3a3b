"""The stages that write into a run folder: preprocess, train, run and demo."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.common import Device, Extras, LossSlabs, Models, Seed, SizeEdges, Workers
from lesionseg.settings.data import DataSettings
from lesionseg.settings.network import NetworkSettings
from lesionseg.settings.plan import PlanOverrides
from lesionseg.settings.reading import DicomSettings
from lesionseg.settings.record import Edges, Record, Text
from lesionseg.settings.sampling import SamplingRule
from lesionseg.settings.shards import ShardsOrCases
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
    """How a run folder's cases are prepared."""


class PreprocessStageSettings(ShardsOrCases, PreprocessSettings):
    """The stage `preprocess`."""

    step: Literal["fingerprint", "cases"] | None = Field(
        default=None,
        description="Of jobs with `shard` or `cases`: fingerprint measures the scans, and the last "
        "of these jobs plans; cases prepares them by that plan.",
    )

    @model_validator(mode="after")
    def _step_of_a_part(self) -> PreprocessStageSettings:
        is_part = self.shard is not None or self.cases is not None
        if is_part and self.step is None:
            raise ValueError(
                "a part of the cases needs step=fingerprint, and when all parts have ended "
                "step=cases"
            )
        if not is_part and self.step is not None:
            raise ValueError("step is of jobs with shard=I num_shards=N or cases=[A,B]")
        return self


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
