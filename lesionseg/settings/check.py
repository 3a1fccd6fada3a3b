"""How a folder of scans is checked."""

from __future__ import annotations

from pydantic import Field

from lesionseg.settings.common import Workers
from lesionseg.settings.data import DataSettings
from lesionseg.settings.reading import DicomSettings
from lesionseg.settings.record import Count, Text


class CheckSettings(Workers):
    """The stage `check`."""

    output: Text = Field(
        description="Folder for check.csv, check.html and data_card.yaml, a draft to be completed."
    )
    pictures: Count = Field(
        default=60, description="Scans shown on the page, those with findings first."
    )
    data: DataSettings = Field(description="Where the scans are.")
    dicom: DicomSettings = Field(
        description="Which DICOM series are read, and what may be mended in them."
    )
