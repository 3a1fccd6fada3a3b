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

from lesionseg import geometry
from lesionseg.errors import CaseError, UsageError
from lesionseg.geometry import bounding_box
from lesionseg.io.dicom.kinds import RT_STRUCTURES, SEGMENTATION, object_kind
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


def read_dicom_seg(
    path: Path, grid: Grid, case: str, *, fix_grid: bool = False, key: str = "data.fix_grid"
) -> tuple[Volume, float]:
    """A SEG's segment numbers, or the fractions of its one segment, (X, Y, Z) on the scan's grid,
    and by how many mm it was resampled (0: it was there).

    fix_grid: a SEG whose voxels lie beside the scan's is resampled, nearest voxel, with a note;
    else it is refused, naming `key`. Raises CaseError where it cannot be read, is a DICOM file of
    another kind, its segments overlap, or something is drawn outside the scan, UsageError where
    highdicom is not installed.
    """
    _refuse_other_kinds(path, case)
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
    array = array.reshape(array.shape[:3])
    off = _voxels_beside(array, affine, grid)
    if off > SLACK_VOX and not fix_grid:
        size = np.linalg.det(affine[:3, :3]) / np.linalg.det(grid.affine[:3, :3])
        raise CaseError(
            case,
            f"{path.name} lies up to {off:.3g} voxels beside its scan, its voxels are "
            f"{abs(size):.3g} times as large; at most {SLACK_VOX} is allowed: draw it on this "
            f"scan, or set {key}=true",
        )
    _refuse_outside(array, affine, grid, path.name, case)
    if off <= SLACK_VOX:
        return Volume(_placed(array, affine, grid), grid.affine), 0.0
    shifted = affine.copy()
    shifted[:3, 3] -= affine[:3, :3].sum(axis=1)  # of a frame of nothing around what is drawn
    around = geometry.resample_to(np.pad(array, 1), shifted, grid, order=0)
    far = off * max(geometry.spacing(grid.affine))
    note = f"{path.name} lay up to {off:.3g} voxels beside its scan; resampled, nearest voxel"
    return Volume(around, grid.affine, notes=(note,)), far


def _refuse_other_kinds(path: Path, case: str) -> None:
    try:
        kind = object_kind(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
    if kind == RT_STRUCTURES:
        raise CaseError(
            case,
            f"{path.name} is an {kind}, outlines in place of voxels; convert it to a mask on its "
            "scan's grid, as with rt-utils or 3D Slicer",
        )
    if kind not in (None, SEGMENTATION):
        raise CaseError(case, f"{path.name} is a DICOM {kind}; want a segmentation (SEG)")


def _voxels_beside(array: NDArray[Any], affine: Affine, grid: Grid) -> float:
    """How far, in voxels of the grid, what is drawn lies from its voxels; 0 where nothing is."""
    if not array.any():
        return 0.0
    to_grid = np.linalg.solve(grid.affine, affine)
    start, stop = bounding_box(array != 0)
    corners = np.array(list(itertools.product(*((a, b) for a, b in zip(start, stop)))))
    there = corners @ to_grid[:3, :3].T + to_grid[:3, 3]
    off = float(np.abs(there - np.rint(there)).max())
    other_size = abs(abs(float(np.linalg.det(to_grid))) - 1)
    return max(off, other_size if other_size > SLACK_VOX else 0.0)


def _drawn_places(
    array: NDArray[Any], affine: Affine, grid: Grid
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(N, 3) voxels that are drawn, and (N, 3) those of the grid in which their centres lie."""
    drawn = np.argwhere(array)
    to_grid = np.linalg.solve(grid.affine, affine)
    return drawn, np.rint(drawn @ to_grid[:3, :3].T + to_grid[:3, 3]).astype(np.intp)


def _refuse_outside(array: NDArray[Any], affine: Affine, grid: Grid, name: str, case: str) -> None:
    _, places = _drawn_places(array, affine, grid)
    outside = int(((places < 0) | (places >= grid.shape)).any(axis=1).sum())
    if outside:
        raise CaseError(case, f"{name} has {outside} voxels drawn outside its scan")


def _placed(array: NDArray[Any], affine: Affine, grid: Grid) -> NDArray[Any]:
    """What is drawn, at its place in `grid`: whole voxels only."""
    out = np.zeros(grid.shape, array.dtype)
    drawn, places = _drawn_places(array, affine, grid)
    out[tuple(places.T)] = array[tuple(drawn.T)]
    return out
