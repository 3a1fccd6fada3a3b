"""DICOM SEG, the masks of radiology's own tools. Needs the extra dicom.

A SEG keeps only the slices on which something is drawn, in an order of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, UsageError
from lesionseg.io.dicom.kinds import SEGMENTATION, object_kind
from lesionseg.io.dicom.quiet import quiet_pydicom
from lesionseg.storage.text_file import open_regular
from lesionseg.structures import Volume

EXTRA = "reading DICOM SEG needs highdicom; install it with pip install 'lesionseg[dicom]'"


def is_dicom_file(path: Path) -> bool:
    """Whether the file's own bytes say DICOM, with or without the preamble of PS3.10.

    Without it a file begins with elements of group 2 or 8 in rising order.
    """
    try:
        with open_regular(path) as file:
            head = file.read(512)
    except OSError:
        return False
    if head[128:132] == b"DICM":
        return True
    first, length = _element(head, 0)
    second, _ = _element(head, length)
    return first[0] in (2, 8) and length > 8 and first < second and second[0] <= 0x10


def _element(data: bytes, start: int) -> tuple[tuple[int, int], int]:
    """(group, number) of the element at `start`, little endian, and the bytes it takes up."""
    group, number = (int.from_bytes(data[start + i : start + i + 2], "little") for i in (0, 2))
    kind = data[start + 4 : start + 6]
    if not (kind.isalpha() and kind.isupper()):  # implicit value representation
        return (group, number), 8 + int.from_bytes(data[start + 4 : start + 8], "little")
    if kind in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return (group, number), 12 + int.from_bytes(data[start + 8 : start + 12], "little")
    return (group, number), 8 + int.from_bytes(data[start + 6 : start + 8], "little")


def read_dicom_seg(path: Path, case: str) -> Volume:
    """A SEG's segment numbers, or the fractions of its one segment, (X, Y, Z) on the slices that it
    keeps. Raises CaseError where it cannot be read, is a DICOM file of another kind or its segments
    overlap, UsageError where highdicom is not installed.
    """
    if (kind := mask_kind(path, case)) not in (None, SEGMENTATION):
        raise CaseError(case, f"{path.name} is a DICOM {kind}; want a segmentation (SEG)")
    try:
        from highdicom.seg import segread
    except ImportError as error:
        raise UsageError(EXTRA) from error
    try:
        with quiet_pydicom():
            seg = segread(path)
            fractions = seg.segmentation_type.value == "FRACTIONAL"
            stored = seg.get_volume(combine_segments=not fractions)
    except Exception as error:  # a damaged file raises whatever it runs into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read as DICOM SEG: {reason}") from error
    array: NDArray[Any] = np.asarray(stored.array)
    if array.ndim == 4 and array.shape[3] != 1:
        problem = f"{path.name} holds fractions of {array.shape[3]} segments"
        raise CaseError(case, f"{problem}; want one, or whole segments")
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ stored.affine  # LPS to RAS
    return Volume(array.reshape(array.shape[:3]), affine)


def mask_kind(path: Path, case: str) -> str | None:
    """What a DICOM file that is to be a mask is, as `object_kind`. Raises CaseError."""
    try:
        return object_kind(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
