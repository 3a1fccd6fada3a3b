"""What lies in a folder of DICOM slices: the slices, what is passed over, and what must not be.

A slice that is left out without a word takes its lesions along, so whatever might be one and cannot
be read is refused, and what is something else is named in a note.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.errors import CaseError
from lesionseg.io.dicom.kinds import ENHANCED, object_kind
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.storage.hashes import sha256_of_file

LARGEST = 1 << 30  # bytes of a slice
PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst", ".z")
SHOWN = 3  # names in a note
BELOW = 10_000  # files below a folder that are looked at
SLICE_ENDINGS = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Members:
    """slices: image files of one frame, in order of their names. notes: what was passed over.
    enhanced: a file of all slices; without any other slice."""

    slices: list[Path]
    notes: tuple[str, ...]
    enhanced: Path | None = None


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files right in a folder, told by their content, in order of their names."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name.upper() != "DICOMDIR" and path.is_file() and is_dicom_file(path)
    ]


def holds_slices(folder: Path) -> bool:
    """Whether a folder holds DICOM files, or what is named like one and cannot be opened."""
    return bool(dicom_files(folder)) or any(
        not path.name.startswith(".") and slice_ending(path) in SLICE_ENDINGS
        for path in folder.iterdir()
    )


def folder_members(folder: Path, case: str) -> Members:
    """The slices of a folder, or the one file that holds them all.

    Raises CaseError for what might be a slice and cannot be read, and where there is none; OSError.
    """
    files = dicom_files(folder)
    kinds = {path: object_kind(path) for path in files}
    slices = [path for path in files if kinds[path] is None]
    whole = [path for path in files if kinds[path] == ENHANCED]
    if len(whole) > 1 or (whole and slices):
        raise CaseError(
            case,
            f"{folder.name} holds {len(whole)} {ENHANCED}s, like {whole[0].name}, and "
            f"{len(slices)} slices in files of their own; want one scan a folder",
        )
    _refuse_lost_slices(folder, slices or files, set(files), case)
    others = {path: kind for path, kind in kinds.items() if kind not in (None, ENHANCED)}
    if not slices and not whole:
        what = "; it holds " + listed(others) if others else "; want one series"
        raise CaseError(case, f"folder {folder.name} holds no DICOM file of a slice{what}")
    for path in slices:
        if (size := path.stat().st_size) > LARGEST:
            raise CaseError(
                case, f"{path.name} takes {size:,} bytes; a slice takes at most {LARGEST:,}"
            )
    notes = (f"{folder.name}: passed over {listed(others)}",) if others else ()
    return Members(slices, notes, whole[0] if whole else None)


def listed(others: Mapping[Path, str]) -> str:
    """Files by what they are, as text: "localiser: a.dcm, b.dcm; structured report (SR): c.dcm"."""
    parts = []
    for kind in dict.fromkeys(others.values()):
        names = [path.name for path, other in others.items() if other == kind]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        parts.append(f"{kind}: {', '.join(names[:SHOWN])}{more}")
    return "; ".join(parts)


def repeated_files(paths: Sequence[Path], uids: Sequence[str]) -> list[Path]:
    """Copies: files of one SOP instance whose content is that of an earlier one. Raises OSError."""
    first: dict[str, list[Path]] = {}
    for path, uid in zip(paths, uids):
        first.setdefault(uid, []).append(path)
    copies = []
    for uid, same in first.items():
        seen: set[str] = set()
        for path in same if uid and len(same) > 1 else ():
            digest = sha256_of_file(path)
            if digest in seen:
                copies.append(path)
            seen.add(digest)
    return copies


def slices_below(folder: Path) -> list[Path]:
    """DICOM slices in folders inside this one, hidden ones left out. Raises OSError."""
    found: list[Path] = []
    looked = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files) if Path(place) != folder else ():
            path = Path(place) / name
            looked += 1
            if path.is_file() and is_dicom_file(path) and object_kind(path) is None:
                found.append(path)
        if looked > BELOW:
            break
    return found


def _refuse_lost_slices(folder: Path, slices: Iterable[Path], files: set[Path], case: str) -> None:
    """Raise CaseError for what was to be a slice: an empty or locked file, or named like one."""
    endings = {slice_ending(path) for path in slices} | set(SLICE_ENDINGS)
    for path in sorted(set(folder.iterdir()) - files):
        if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
            continue
        problem = _lost(path, endings)
        if problem:
            raise CaseError(case, f"{path.name} {problem}")


def _lost(path: Path, endings: set[str]) -> str | None:
    """Why a member of a folder may be a slice that is not read; None where it is none."""
    named_so = slice_ending(path) in endings
    try:
        mode = path.stat().st_mode
    except OSError:
        return "is a link to nothing; fetch what it stands for, or move it away"
    if stat.S_ISDIR(mode):
        likely = path.suffix.lower() in SLICE_ENDINGS
        return "is a folder; want a slice, or move it away" if likely else None
    if not stat.S_ISREG(mode):
        return "is no regular file; copy the slice itself there, or move it away"
    if path.suffix.lower() in PACKED and named_so:
        return "is packed; unpack it, or move it away"
    if named_so or not path.stat().st_size or not os.access(path, os.R_OK):
        return "is damaged or no DICOM file; copy it again, or move it away"
    return None


def slice_ending(path: Path) -> str:
    """Of a file's name, packed or not; the numbers of a UID are none."""
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    suffix = path.suffix.lower()
    return "" if suffix[1:].isdigit() else suffix
