"""Masks as they come from anybody's tool, made into integers on the reference's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.geometry import corner_distance, resample_to
from lesionseg.io import read_volume
from lesionseg.structures import Grid, Volume

NEAR_INTEGER = 1e-3
SAME_GRID = 0.02  # of the smallest spacing: affines are stored with 32 bits, tools round them
LARGEST_ID = np.iinfo(np.int32).max


def read_mask(
    path: Path,
    case: str,
    role: str,
    threshold: float | None = None,
    labels: tuple[int, ...] | None = None,
) -> Volume:
    """Read a mask and make its values integers.

    Fractions within 1e-3 of integers are rounded; with others, voxels at or above `threshold`
    become 1. labels: values that are lesion; the mask becomes binary. Raises CaseError, naming
    `role`, where there are other fractions and no threshold, where a value is negative, or where
    the file cannot be read.
    """
    volume = read_volume(path, case=case)
    array = volume.array
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise CaseError(case, f"{role} holds values that are not finite; a mask holds integers")
        rounded = np.rint(array)
        worst = float(np.abs(array - rounded).max(initial=0))
        if worst <= NEAR_INTEGER:
            array = rounded.astype(np.int64)
        elif threshold is not None:
            array = (array >= threshold).astype(np.uint8)
        else:
            raise CaseError(
                case,
                f"{role} holds fractions, {worst:.3g} away from integers; a mask holds integers: "
                "set threshold=0.5 (or another) to cut it",
            )
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if low < 0 or high > LARGEST_ID:
        raise CaseError(case, f"{role} has values from {low} to {high}; want 0 to {LARGEST_ID}")
    if labels is not None:
        array = np.isin(array, labels).astype(np.uint8)
    return Volume(array, volume.affine, volume.forms)


def on_grid(
    volume: Volume, grid: Grid, case: str, role: str, *, fix_grid: bool
) -> tuple[NDArray[Any], float]:
    """The volume's voxels on `grid`, and how far in mm its corners were from it (0: it was there).

    Raises CaseError with both affines where the grids differ and `fix_grid` is not set.
    """
    distance = corner_distance(volume.grid, grid)
    if volume.array.shape == grid.shape and distance <= SAME_GRID * _smallest_spacing(grid):
        return volume.array, 0.0
    if fix_grid:
        return resample_to(volume.array, volume.affine, grid, order=0), max(distance, 1e-9)
    raise CaseError(
        case,
        f"{role} has shape {volume.array.shape} and affine {_rows(volume.affine)}, the reference "
        f"{grid.shape} and {_rows(grid.affine)}; corners differ by up to {distance:.4g} mm: "
        "resample it, or set fix_grid=true",
    )


def _smallest_spacing(grid: Grid) -> float:
    return float(np.sqrt((grid.affine[:3, :3] ** 2).sum(axis=0)).min())


def _rows(affine: NDArray[np.float64]) -> str:
    return "[" + "; ".join(" ".join(f"{v:.5g}" for v in row) for row in affine[:3]) + "]"
