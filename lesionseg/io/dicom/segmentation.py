"""DICOM SEG, the masks of radiology's own tools, put onto their scan's grid. Needs the extra dicom.

A SEG keeps only the slices on which something is drawn, in an order of its own; each voxel drawn
must fall on a voxel of the scan.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, UsageError
from lesionseg.geometry import bounding_box
from lesionseg.storage.text_file import open_regular
from lesionseg.structures import Affine, Grid, Volume

SLACK_VOX = 0.01
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


def read_dicom_seg(path: Path, grid: Grid, case: str) -> Volume:
    """A SEG's segment numbers, or the fractions of its one segment, (X, Y, Z) on the scan's grid.

    Raises CaseError where it cannot be read, its segments overlap, or voxels lie beside the scan's,
    UsageError where highdicom is not installed.
    """
    try:
        from highdicom.seg import segread
    except ImportError as error:
        raise UsageError(EXTRA) from error
    try:
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
    return Volume(
        _placed(array.reshape(array.shape[:3]), affine, grid, path.name, case), grid.affine
    )


def _placed(array: NDArray[Any], affine: Affine, grid: Grid, name: str, case: str) -> NDArray[Any]:
    """What is drawn, at its place in `grid`: whole voxels only. Raises CaseError."""
    out = np.zeros(grid.shape, array.dtype)
    drawn = np.argwhere(array)
    if not len(drawn):
        return out
    to_grid = np.linalg.solve(grid.affine, affine)
    start, stop = bounding_box(array != 0)
    corners = np.array(list(itertools.product(*((a, b) for a, b in zip(start, stop)))))
    there = corners @ to_grid[:3, :3].T + to_grid[:3, 3]
    off = float(np.abs(there - np.rint(there)).max())
    same_size = abs(abs(np.linalg.det(to_grid)) - 1) <= SLACK_VOX
    if off > SLACK_VOX or not same_size:
        raise CaseError(
            case,
            f"{name} lies up to {off:.3g} voxels beside its scan, its voxels are "
            f"{abs(np.linalg.det(to_grid)):.3g} times as large; at most {SLACK_VOX} is allowed",
        )
    places = np.rint(drawn @ to_grid[:3, :3].T + to_grid[:3, 3]).astype(int)
    outside = int(((places < 0) | (places >= grid.shape)).any(axis=1).sum())
    if outside:
        raise CaseError(case, f"{name} has {outside} voxels drawn outside its scan")
    out[tuple(places.T)] = array[tuple(drawn.T)]
    return out
