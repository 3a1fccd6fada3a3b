"""A mask in DICOM, which keeps only what is drawn, put onto its scan's grid."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.geometry import bounding_box
from lesionseg.io.dicom.kinds import RT_STRUCTURES
from lesionseg.io.dicom.segmentation import mask_kind, read_dicom_seg
from lesionseg.io.dicom.structures import read_structures
from lesionseg.io.reading import ReadingRule
from lesionseg.structures import Affine, Grid, Volume

SLACK_VOX = 0.01


def read_dicom_mask(path: Path, grid: Grid, case: str, rule: ReadingRule) -> tuple[Volume, float]:
    """A DICOM SEG on the scan's grid, and 0.0, where its voxels are voxels of the scan; else the
    SEG on its own grid, and how many mm what is drawn lies beside the scan's voxels. A structure
    set is filled in on the scan's grid.

    Raises CaseError where a SEG lies beside the scan or reaches outside it and the rule has no
    fix_grid, where all of it is drawn outside, and as `read_dicom_seg` and `read_structures`.
    """
    if mask_kind(path, case) == RT_STRUCTURES:
        wanted, key = rule.structures, rule.structures_key
        return read_structures(path, grid, case, wanted=wanted, key=key), 0.0
    mask = read_dicom_seg(path, case)
    array, affine = mask.array, mask.affine
    off = _voxels_beside(array, affine, grid)
    if off > SLACK_VOX and not rule.fix_grid:
        size = np.linalg.det(affine[:3, :3]) / np.linalg.det(grid.affine[:3, :3])
        raise CaseError(
            case,
            f"{path.name} lies up to {off:.3g} voxels beside its scan, its voxels are "
            f"{abs(size):.3g} times as large; at most {SLACK_VOX} is allowed: draw it on this "
            f"scan, or set {rule.fix_grid_key}=true",
        )
    outside = _outside(array, affine, grid)
    if outside.any() and (outside.all() or not rule.fix_grid):
        ways = "" if outside.all() else f"; draw it on this scan, or set {rule.fix_grid_key}=true"
        problem = f"{path.name} has {outside.sum()} voxels drawn outside its scan"
        raise CaseError(case, problem + ways)
    if outside.any():
        note = f"{path.name}: {outside.sum()} of {outside.size} voxels are drawn outside its scan"
        mask = dataclasses.replace(mask, notes=(*mask.notes, note))
    if off > SLACK_VOX or outside.any():
        return mask, max(off * max(geometry.spacing(grid.affine)), 1e-9)
    placed = _placed(array, affine, grid)
    return dataclasses.replace(mask, array=placed, affine=grid.affine, other_affine=grid.other), 0.0


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


def _outside(array: NDArray[Any], affine: Affine, grid: Grid) -> NDArray[np.bool_]:
    """(N,) which of the voxels that are drawn have their centres outside the grid."""
    _, places = _drawn_places(array, affine, grid)
    return np.asarray(((places < 0) | (places >= grid.shape)).any(axis=1))


def _placed(array: NDArray[Any], affine: Affine, grid: Grid) -> NDArray[Any]:
    """What is drawn, at its place in `grid`: whole voxels only."""
    out = np.zeros(grid.shape, array.dtype)
    drawn, places = _drawn_places(array, affine, grid)
    out[tuple(places.T)] = array[tuple(drawn.T)]
    return out
