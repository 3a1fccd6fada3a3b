"""From a mask file to lesion ids, and lesion ids from grid to grid without losing one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.components import label_components, lesion_measures
from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.reading.mask_values import distinct_values
from lesionseg.reading.masks import lesion_mask, mask_values
from lesionseg.structures import Affine, Grid, Volume


def lesion_ids(
    mask: Volume, labels: MaskLabels, case: str, *, rule: ReadingRule = STRICT
) -> NDArray[np.int32]:
    """Lesion ids (X, Y, Z), numbered from 1, on the mask's own grid; 0 = background.

    The connected components of `lesion_mask`, or, where the mask holds instance ids, those: lesions
    that touch stay apart, and one of several pieces stays one. Raises CaseError as `lesion_mask`.
    """
    found = lesion_mask(mask, labels, case, rule=rule)
    if not labels.instances:
        return label_components(found)
    array = mask_values(mask, labels, case, rule=rule)
    values = sorted(distinct_values(array))
    return np.searchsorted(values, array).astype(np.int32)


def carry_ids(ids: NDArray[np.int32], affine: Affine, grid: Grid) -> NDArray[np.int32]:
    """Lesion ids (X, Y, Z) on another grid, where each lesion that has a voxel keeps at least one.

    Each lesion is interpolated alone and cut at one half, so that its outline does not depend on
    its neighbours; where two overlap, the larger value has the voxel. A lesion that would vanish
    keeps its nearest voxel. Both grids must be parallel and the lesions lie inside the new one.
    """
    if np.allclose(geometry.spacing(affine), geometry.spacing(grid.affine), rtol=1e-3):
        return np.ascontiguousarray(geometry.resample_to(ids, affine, grid, order=0))
    boxes = ndimage.find_objects(ids)
    present = [(lesion, box) for lesion, box in enumerate(boxes, 1) if box is not None]
    out = np.zeros(grid.shape, np.int32)
    best = np.full(grid.shape, 0.5, np.float32)
    to_grid = np.linalg.solve(grid.affine, affine)
    for lesion, box in present:
        part, place = _alone(ids, affine, lesion, box, to_grid, grid)
        claims = part >= best[place]
        out[place][claims] = lesion
        best[place][claims] = np.nextafter(part[claims], np.float32(2))
    left = distinct_values(out)
    for lesion, box in present:
        if lesion not in left:
            places = np.argwhere(ids[box] == lesion) + [side.start for side in box]
            _keep_nearest(out, lesion, places, to_grid)
    return out


def lost_by_halves(
    ids: NDArray[np.int32], affine: Affine, grid: Grid, lesions: Sequence[int]
) -> list[int]:
    """Which of these lesions have no voxel on a parallel grid when each is cut at one half.

    `carry_ids` keeps those too, as their nearest voxel: the lesion is counted, but its shape is
    lost.
    """
    boxes, to_grid = ndimage.find_objects(ids), np.linalg.solve(grid.affine, affine)
    return [
        lesion
        for lesion in lesions
        if _alone(ids, affine, lesion, boxes[lesion - 1], to_grid, grid)[0].max() < 0.5
    ]


def lesion_table(
    ids: NDArray[np.int32], affine: Affine, slab_axis: int
) -> dict[int, Mapping[str, float]]:
    """Per lesion id: volume_mm3, diameter_mm (equal-volume sphere), centroid_{r,a,s}_mm,
    row_extent_mm and column_extent_mm (its in-plane box) and num_slices, measured on this grid."""
    spacing = geometry.spacing(affine)
    rows, columns = (axis for axis in range(3) if axis != slab_axis)
    boxes = ndimage.find_objects(ids)
    table: dict[int, Mapping[str, float]] = {}
    for lesion, measures in lesion_measures(ids, affine).items():
        extent = [side.stop - side.start for side in boxes[lesion - 1]]
        table[lesion] = {
            **measures,
            "row_extent_mm": float(extent[rows] * spacing[rows]),
            "column_extent_mm": float(extent[columns] * spacing[columns]),
            "num_slices": float(extent[slab_axis]),
        }
    return table


def in_plane_boxes(
    ids: NDArray[np.int32], affine: Affine, slab_axis: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Width (along W) and height (along H) in mm of the box around each 2D component: (M, 2), and
    the id of its lesion: (M,)."""
    plane = np.zeros((3, 3, 3), int)
    plane[tuple(1 if axis == slab_axis else slice(None) for axis in range(3))] = 1
    labels, _ = ndimage.label(ids, plane)
    spacing = geometry.spacing(affine)
    boxes, owners = [], []
    for component, box in enumerate(ndimage.find_objects(labels), 1):
        height, width = (
            (side.stop - side.start) * step
            for axis, (side, step) in enumerate(zip(box, spacing))
            if axis != slab_axis
        )
        boxes.append((width, height))
        owners.append(ids[box].flat[(labels[box] == component).argmax()])
    return np.array(boxes, np.float64).reshape(-1, 2), np.array(owners, np.int32)


def _alone(
    ids: NDArray[np.int32],
    affine: Affine,
    lesion: int,
    box: tuple[slice, ...],
    to_grid: NDArray[np.floating[Any]],
    grid: Grid,
) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """One lesion interpolated to the part of the grid that it can reach, and where that is."""
    window, place = _window(box, to_grid, grid)
    source, source_affine = _with_border(ids[box] == lesion, affine, box)
    return geometry.resample_to(source, source_affine, window, order=1), place


def _window(
    box: tuple[slice, ...], to_grid: NDArray[np.floating[Any]], grid: Grid
) -> tuple[Grid, tuple[slice, ...]]:
    """The part of `grid` that a box of source voxels can reach, as a grid and as slices."""
    corners = [np.array([f(s) for s in box]) for f in (lambda s: s.start - 1, lambda s: s.stop)]
    ends = np.sort([to_grid[:3, :3] @ corner + to_grid[:3, 3] for corner in corners], axis=0)
    low = np.clip(np.floor(ends[0]).astype(int) - 1, 0, np.array(grid.shape) - 1)
    high = np.clip(np.ceil(ends[1]).astype(int) + 2, low + 1, grid.shape)
    affine = np.array(grid.affine, np.float64)
    affine[:3, 3] += affine[:3, :3] @ low
    x, y, z = (int(n) for n in high - low)
    return Grid((x, y, z), affine), tuple(slice(a, b) for a, b in zip(low, high))


def _with_border(
    lesion: NDArray[np.bool_], affine: Affine, box: tuple[slice, ...]
) -> tuple[NDArray[np.float32], Affine]:
    """A lesion's own voxels with one of background on all sides, so that its edge falls off."""
    start = np.array([side.start - 1 for side in box])
    moved = np.array(affine, np.float64)
    moved[:3, 3] += moved[:3, :3] @ start
    return np.pad(lesion, 1).astype(np.float32), moved


def _keep_nearest(
    out: NDArray[np.int32], lesion: int, places: NDArray[Any], to_grid: NDArray[Any]
) -> None:
    """Give a lesion the voxel nearest to its middle that no other lesion needs."""
    centre = to_grid[:3, :3] @ places.mean(axis=0) + to_grid[:3, 3]
    middle = np.rint(centre).astype(int)
    around = np.argwhere(np.ones((5, 5, 5), bool)) - 2 + middle
    around = around[((around >= 0) & (around < out.shape)).all(axis=1)]
    for place in sorted(
        map(tuple, around), key=lambda p: float(((np.array(p) - centre) ** 2).sum())
    ):
        holder = out[place]
        if holder == 0 or np.count_nonzero(out == holder) > 1:
            out[place] = lesion
            return
