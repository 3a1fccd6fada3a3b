"""How new scans are predicted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.common import Device, Extras
from lesionseg.settings.reading import DicomSettings, ReadingSettings
from lesionseg.settings.record import Share, Text


class PredictSettings(Device):
    """The stage `predict`."""

    model: Text = Field(description="Model folder that train wrote, RUN/models/NAME.")
    input: Text = Field(
        description="One scan, or a folder of scans; several channels as CASE_0000, CASE_0001, ..."
    )
    output: Text = Field(description="Folder for CASE.nii.gz, instances/, lesions/ and CASE.json.")
    save: Annotated[tuple[str, ...], Extras] = Field(
        default=(),
        examples=[("candidates", "probability")],
        description="What is saved beside the masks; candidates: lesions below the threshold too.",
    )
    voxel_threshold: Share | None = Field(
        default=None, description="Probability of a lesion voxel; null: as chosen on validation."
    )
    score_threshold: Share | None = Field(
        default=None, description="Score of a lesion; null: as chosen on validation."
    )
    data: ReadingSettings = Field(description="What may be mended while reading.")
    dicom: DicomSettings = Field(
        description="Which DICOM series are read, and what may be mended in them."
    )
