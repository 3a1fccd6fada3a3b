"""The DICOM series that a folder holds, by their headers: nothing of the patient is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lesionseg.errors import LesionsegError
from lesionseg.io.dicom.enhanced import frame_headers, open_enhanced
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


def list_series(place: Path) -> list[DicomSeries]:
    """The series of a folder, or of an enhanced file, in the order of their files; none where
    these cannot be read: reading the scan says what is wrong."""
    try:
        headers = _headers(place)
    except (LesionsegError, OSError):
        return []
    by_uid: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        by_uid[header.get("series", "")].append(header)
    return [DicomSeries(own[0], len(own), all(map(is_scout, own))) for own in by_uid.values()]


def _headers(place: Path) -> list[Header]:
    if place.is_file():
        return frame_headers(open_enhanced(place, place.name), place, place.name)
    members = folder_members(place, place.name)
    if members.enhanced is not None:
        return _headers(members.enhanced)
    return read_headers(members.slices, place, place.name)
