"""Scans a few voxels wide, by which scans of a cohort are compared with one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.structures import Affine, Grid

ROUGH, FINE = 12, 16  # voxels a side
SCALE = 32  # of one standard deviation, in int8
PICTURE = 96  # pixels a side
OUTLINE = 255  # a lesion's edge; grey values end below

Box = tuple[tuple[int, ...], tuple[int, ...]]


def thumbnail(
    array: NDArray[Any], inside: NDArray[np.bool_], box: Box, size: int
) -> NDArray[np.int8]:
    """The head's box in size x size x size voxels: (size,) * 3 int8, 0 = mean and air."""
    every = [max(1, (b - a) // (2 * size)) for a, b in zip(*box)]
    window = tuple(slice(a, b, n) for a, b, n in zip(*box, every))
    values = np.nan_to_num(np.asarray(array[window], np.float32), posinf=0, neginf=0)
    within = inside[window].astype(np.float32)
    low, high = np.percentile(values[within > 0], (1, 99)) if within.any() else (0.0, 1.0)
    np.clip(values, low, high, out=values)
    grid = Grid(values.shape, np.eye(4))
    grid = geometry.rescaled_grid(grid, [n / size for n in values.shape])
    weight = geometry.resample_to(within, np.eye(4), grid, order=1)
    small = geometry.resample_to(values * within, np.eye(4), grid, order=1)
    covered = weight > 0.5
    if not covered.any():
        return np.zeros((size,) * 3, np.int8)
    small = small / np.maximum(weight, 1e-6)
    spread = float(small[covered].std())
    scores = (small - small[covered].mean()) / max(spread, 1e-6) * SCALE
    return np.where(covered, np.clip(np.rint(scores), -127, 127), 0).astype(np.int8)


def slice_picture(
    array: NDArray[Any], ids: NDArray[np.int32] | None, affine: Affine, box: Box
) -> NDArray[np.uint8]:
    """The axial slice that holds most lesion, or the middle one, with the lesions' edges.

    Rows run from front to back, columns from the patient's right to left.
    """
    start, stop = box
    middle = (start[2] + stop[2]) // 2
    if ids is not None and ids.any():
        middle = int(np.argmax(np.count_nonzero(ids, axis=(0, 1))))
    plane = np.nan_to_num(
        np.asarray(array[start[0] : stop[0], start[1] : stop[1], middle], np.float32)
    )
    spacing = geometry.spacing(affine)
    sides = [n * step for n, step in zip(plane.shape, spacing)]
    width, height = (max(1, round(PICTURE * side / max(sides))) for side in sides)
    columns = (np.arange(width) * plane.shape[0] / width).astype(int)
    rows = (np.arange(height) * plane.shape[1] / height).astype(int)
    low, high = np.percentile(plane, (2, 99.5))
    grey = np.clip((plane - low) / max(high - low, 1e-6), 0, 1) * 250
    picture = grey.astype(np.uint8)[np.ix_(columns, rows)].T[::-1, ::-1].copy()
    if ids is not None:
        lesion = ids[start[0] : stop[0], start[1] : stop[1], middle] > 0
        shown = lesion[np.ix_(columns, rows)].T[::-1, ::-1]
        picture[shown & ~_eroded(shown)] = OUTLINE
    return picture


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def unit_rows(thumbnails: Sequence[NDArray[Any]] | NDArray[Any]) -> NDArray[np.float32]:
    """Thumbnails as rows (N, voxels) of mean 0 and length 1, whose products are correlations."""
    rows = np.asarray(thumbnails, np.float32).reshape(len(thumbnails), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
