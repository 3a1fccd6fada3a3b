"""What may be mended while scans are read, and is refused otherwise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lesionseg.settings.defaults import UNCOVERED
from lesionseg.settings.record import Record, Share, Text, Truth


class AffineSettings(Record):
    """What is done with files without a position."""

    assume_affine: Truth = Field(
        default=False,
        description="Take a file without a position in the world by its voxel sizes; false: "
        "refuse it.",
    )


class ReadingSettings(AffineSettings):
    """What every stage that reads scans takes in its group `data`."""

    fix_grid: Truth = Field(
        default=False,
        description="Resample masks and further channels that lie on another grid onto that of "
        "the first channel; false: refuse them.",
    )
    uncovered: Share = Field(
        default=UNCOVERED,
        description="Largest share of a scan that a channel may leave uncovered when it is "
        "resampled; what it does not cover is taken for air.",
    )


class DicomSettings(Record):
    """The group `dicom`."""

    irregular: Literal["refuse", "resample"] = Field(
        default="refuse",
        description="A tilted or unevenly stacked DICOM series: refuse it, or resample it onto a "
        "regular grid.",
    )
    series: Text | None = Field(
        default=None,
        description="Which series of a DICOM folder that holds several: its number, description or "
        "UID; null: the folder must hold one.",
    )
