"""The series of a folder of DICOM slices, by their headers: nothing of the patient is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lesionseg.errors import CaseError
from lesionseg.io.dicom.members import folder_members
from lesionseg.io.dicom.slice_headers import Header, is_scout, read_headers


@dataclass(frozen=True)
class DicomSeries:
    """header: of its first slice. scout: whether its slices say that they are localisers."""

    header: Header
    num_slices: int
    scout: bool

    @property
    def uid(self) -> str:
        return self.header.get("series", "")

    @property
    def study(self) -> str:
        return self.header.get("study", "")

    @property
    def description(self) -> str:
        return self.header.get("description", "")

    @property
    def words(self) -> str:
        """It in words, for messages: series 3 'ax flair', 20 slices."""
        number = self.header.get("series_number") or "without number"
        named = f" {self.description!r}" if self.description else ""
        return f"series {number}{named}, {self.num_slices} slices"


def list_series(folder: Path) -> list[DicomSeries]:
    """The series of a folder, in the order of their files; none where the slices cannot be read, or
    where one file holds them all: reading the folder says what is wrong."""
    try:
        members = folder_members(folder, folder.name)
        headers = read_headers(members.slices, folder, folder.name) if members.slices else []
    except (CaseError, OSError):
        return []
    by_uid: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        by_uid[header.get("series", "")].append(header)
    return [DicomSeries(own[0], len(own), all(map(is_scout, own))) for own in by_uid.values()]
