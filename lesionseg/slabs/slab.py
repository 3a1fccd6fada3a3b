"""Cut a 2.5D slab out of a stored case: 2k+1 slices at a distance in mm, stacked as channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.geometry import spacing
from lesionseg.lesion_kinds import IGNORED
from lesionseg.structures import Case, Slab


@dataclass(frozen=True)
class SlabRule:
    """context_slices: k, slices on each side of the centre. context_distance_mm: between them."""

    context_slices: int
    context_distance_mm: float

    @property
    def num_slices(self) -> int:
        return 2 * self.context_slices + 1

    def num_channels(self, num_images: int) -> int:
        return num_images * self.num_slices


@dataclass(frozen=True)
class BlockRule:
    """num_slices: neighbouring slices of a block, all of which have lesion ids."""

    num_slices: int


@dataclass(frozen=True)
class Window:
    """A rectangle of a slice, in pixels; it may reach over the slice's border."""

    row: int
    column: int
    height: int
    width: int


def plane_axes(case: Case) -> tuple[int, int]:
    """The array axes that become the rows (H) and the columns (W) of the case's slices."""
    row, column = (axis for axis in range(3) if axis != case.slab_axis)
    return row, column


def slab_shape(case: Case) -> tuple[int, int, int]:
    """(number of slices, H, W) of a case."""
    shape = case.shape
    row, column = plane_axes(case)
    return shape[case.slab_axis], shape[row], shape[column]


def context_indices(case: Case, index: int, rule: SlabRule) -> NDArray[np.int64]:
    """The slices of the slab around slice `index`, lowest first; beyond the ends they replicate.

    Slices thicker than the distance are the next ones, not the same one again.
    """
    step_mm = float(spacing(case.affine)[case.slab_axis])
    number = np.arange(1, rule.context_slices + 1)
    steps = np.maximum(
        np.rint(number * rule.context_distance_mm / step_mm).astype(np.int64), number
    )
    offsets = np.concatenate([-steps[::-1], [0], steps])
    return np.clip(index + offsets, 0, case.shape[case.slab_axis] - 1)


def read_slab(case: Case, index: int, rule: SlabRule, window: Window | None = None) -> Slab:
    """The slab around slice `index`, whole or inside `window`; pixels beyond the border replicate.

    Channels are ordered image by image, each from the lowest slice to the highest. Lesion ids
    outside the slice are 0.
    """
    image, ids = _read(case, context_indices(case, index, rule), slice(index, index + 1), window)
    return Slab(image, None if ids is None else ids[0], case.name, index, case.kinds)


def read_block(case: Case, first: int, depth: int, window: Window | None = None) -> Slab:
    """`depth` neighbouring slices from slice `first` on, which may lie before the case's own, as a
    slab whose lesion ids are those of all its slices; beyond the ends slices replicate, and nobody
    judged them: a lesion of the last slice is seen there too, and is no background."""
    num_slices = case.shape[case.slab_axis]
    slices, inside = _clipped(first, depth, num_slices)
    image, ids = _read(case, slices, _span(slices), window)
    if ids is not None:
        ids = ids[slices - slices[0]]
        ids[~inside] = IGNORED
    return Slab(image, ids, case.name, first + depth // 2, case.kinds)


def _read(
    case: Case, slices: NDArray[np.int64], of_ids: slice, window: Window | None
) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
    """The image (C * slices, h, w) of these slices, and the lesion ids (D, h, w) of slices
    `of_ids`."""
    _, height, width = slab_shape(case)
    slab, (row, column) = case.slab_axis, plane_axes(case)
    window = window or Window(0, 0, height, width)
    rows, inside_rows = _clipped(window.row, window.height, height)
    columns, inside_columns = _clipped(window.column, window.width, width)
    where: list[slice] = [slice(None)] * 3
    where[slab] = slice(int(slices.min()), int(slices.max()) + 1)
    where[row], where[column] = _span(rows), _span(columns)
    block = np.moveaxis(np.asarray(case.image[(slice(None), *where)]), slab + 1, 1)
    image = block[:, slices - slices.min()].astype(np.float32)
    image = image[:, :, rows - rows[0]][:, :, :, columns - columns[0]]
    ids = None
    if case.lesion_ids is not None:
        where[slab] = of_ids
        ids = np.moveaxis(np.asarray(case.lesion_ids[tuple(where)]), slab, 0)
        ids = ids[:, rows - rows[0]][:, :, columns - columns[0]].astype(np.int32)
        ids[:, ~inside_rows] = 0
        ids[:, :, ~inside_columns] = 0
    return image.reshape(-1, window.height, window.width), ids


def _clipped(start: int, num: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    wanted = np.arange(start, start + num)
    return np.clip(wanted, 0, length - 1), (wanted >= 0) & (wanted < length)


def _span(indices: NDArray[np.int64]) -> slice:
    return slice(int(indices[0]), int(indices[-1]) + 1)
