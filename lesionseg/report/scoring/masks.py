"""Masks as they come from anybody's tool, made into integers on the reference's grid."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io import read_volume
from lesionseg.reading.grids import onto_grid
from lesionseg.reading.mask_values import LARGEST_ID, whole_numbers
from lesionseg.structures import Grid, Volume


def read_mask(
    path: Path,
    case: str,
    role: str,
    threshold: float | None = None,
    labels: tuple[int, ...] | None = None,
    assume_affine: bool = False,
) -> Volume:
    """Read a mask and make its values integers.

    Fractions within 1e-3 of integers are rounded; with others, voxels at or above `threshold`
    become 1. labels: values that are lesion; the mask becomes binary. assume_affine: as of
    `read_volume`. Raises CaseError, naming
    `role`, where there are other fractions and no threshold, where a value is negative, or where
    the file cannot be read.
    """
    volume = read_volume(path, case=case, assume_affine=assume_affine)
    array = whole_numbers(volume.array, case, role, threshold=threshold, key="threshold")
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if low < 0:
        raise CaseError(case, f"{role} has values from {low} to {high}; want 0 to {LARGEST_ID}")
    if labels is not None:
        array = np.isin(array, labels).astype(np.uint8)
    return dataclasses.replace(volume, array=array)


def on_grid(
    volume: Volume, grid: Grid, case: str, role: str, *, fix_grid: bool
) -> tuple[NDArray[Any], float]:
    """The volume's voxels on `grid`, and how far in mm its corners were from it (0: it was there).

    Raises CaseError with both affines where the grids differ and `fix_grid` is not set.
    """
    fitted, moved = onto_grid(volume, grid, case, role, fix_grid=fix_grid, key="fix_grid")
    return fitted.array, moved
