"""How new scans are predicted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.common import Device, Extras, Formats
from lesionseg.settings.reading import DicomSettings, ReadingSettings
from lesionseg.settings.record import Count, Paths, Share, Text
from lesionseg.settings.shards import ShardsOrCases


class NewScanSettings(ReadingSettings):
    """The group `data` of prediction."""

    card: Text | None = Field(
        default=None,
        description="Data card that says how the folder of scans is laid out; null: found by "
        "looking, by the names of the model's channels.",
    )


class PredictSettings(ShardsOrCases, Device):
    """The stage `predict`."""

    model: Paths = Field(
        description="Model folder that train wrote, RUN/models/NAME, or several as [A,B] of one "
        "kind of network, whose answers are joined."
    )
    input: Paths = Field(
        description="A scan, its channels as [A,B] in the model's order, a table of paths, or a "
        "folder in any layout that training reads.",
    )
    output: Text = Field(
        description="Folder for masks, lesion ids, tables of lesions, records, tables of all scans."
    )
    save: Annotated[tuple[str, ...], Extras] = Field(
        default=(),
        examples=[("candidates", "probability")],
        description="What is saved beside the masks; candidates: lesions below the threshold too.",
    )
    formats: Annotated[tuple[str, ...], Formats] = Field(
        default=(),
        examples=[("seg_nrrd", "itk_snap")],
        description="Further files of the lesions; seg_nrrd: for 3D Slicer; itk_snap: names and "
        "colours for ITK-SNAP; dicom_seg: DICOM SEG and measurement report, of DICOM scans; "
        "bids: a BIDS derivative; overview: a page with pictures of the lesions of all scans.",
    )
    voxel_threshold: Share | None = Field(
        default=None, description="Probability of a lesion voxel; null: as chosen on validation."
    )
    score_threshold: Share | None = Field(
        default=None, description="Score of a lesion; null: as chosen on validation."
    )
    volume: Count | None = Field(
        default=None,
        description="Which volume of 4D files is the scan, from 0, for a model of one channel; "
        "null: such files are refused.",
    )
    data: NewScanSettings = Field(description="How scans are found, and what may be mended.")
    dicom: DicomSettings = Field(
        description="Which DICOM series are read, and what may be mended in them."
    )
