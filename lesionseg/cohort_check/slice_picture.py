"""One slice of a scan as a small grey picture, with the outlines of its lesions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.planning.likeness import Box
from lesionseg.structures import Affine

PICTURE = 96  # pixels a side
OUTLINE = 255  # a lesion's edge; grey values end below


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
    plane = np.asarray(array[start[0] : stop[0], start[1] : stop[1], middle], np.float32)
    finite = np.isfinite(plane)
    plane = np.where(finite, plane, plane[finite].min() if finite.any() else 0)
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
