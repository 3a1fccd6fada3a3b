"""Pure functions on (array, affine). Spatial axes are the LAST three; others lead.

An affine is (4, 4) float64 and takes the centre of a voxel, by index, to world RAS+ millimetres.
What was done to an array is in its affine alone: one `resample_to` brings it back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.structures import Affine, Grid

Index = tuple[Any, ...]
EXACT_VOX = 1e-3  # grids this near to each other everywhere are read without interpolation
KEEP_SPACING = 0.02  # an in-plane spacing within 2 % of the wanted one is left alone


def spacing(affine: Affine) -> tuple[float, float, float]:
    """Distance in mm between neighbouring voxels along each array axis."""
    x, y, z = np.sqrt((np.asarray(affine, np.float64)[:3, :3] ** 2).sum(axis=0))
    return float(x), float(y), float(z)


def voxel_volume(affine: Affine) -> float:
    """Volume of one voxel in mm3, right for oblique and sheared grids too."""
    return float(abs(np.linalg.det(np.asarray(affine, np.float64)[:3, :3])))


def orientation(affine: Affine) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """The array axis that lies closest to R, A and S in turn, and whether it runs against it."""
    directions = np.asarray(affine, np.float64)[:3, :3] / np.asarray(spacing(affine))
    best = max(
        itertools.permutations(range(3)),
        key=lambda axes: sum(abs(directions[world, axis]) for world, axis in enumerate(axes)),
    )
    against = [bool(directions[world, axis] < 0) for world, axis in enumerate(best)]
    return (best[0], best[1], best[2]), (against[0], against[1], against[2])


def axcodes(affine: Affine) -> str:
    """Where each array axis points, closest letters: "RAS", "LPS", ..."""
    axes, against = orientation(affine)
    letters = [""] * 3
    for world, axis in enumerate(axes):
        letters[axis] = ("RAS", "LPI")[against[world]][world]
    return "".join(letters)


def to_canonical(array: NDArray[Any], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """Permute and flip the spatial axes to the closest RAS. A view: no voxel is copied."""
    axes, against = orientation(affine)
    return _permuted(array, affine, axes, against)


def crop(
    array: NDArray[Any], affine: Affine, start: Sequence[int], stop: Sequence[int]
) -> tuple[NDArray[Any], Affine]:
    """The box [start, stop) of voxels, as a view, with the affine moved along.

    Raises ValueError where the box is empty or leaves the array.
    """
    shape = array.shape[-3:]
    if not all(0 <= a < b <= n for a, b, n in zip(start, stop, shape)):
        raise ValueError(f"box {tuple(start)} to {tuple(stop)} does not lie in shape {shape}")
    return array[_box(start, stop)], _shifted(affine, start)


def bounding_box(
    mask: NDArray[Any], margin_vox: Sequence[int] = (0, 0, 0)
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(start, stop) of the nonzero voxels (X, Y, Z), and a margin where there is room for it.

    Raises ValueError where there is none.
    """
    flat = np.any(mask, axis=2)
    projections = (np.any(flat, axis=1), np.any(flat, axis=0), np.any(mask, axis=(0, 1)))
    start, stop = [], []
    for along, margin in zip(projections, margin_vox):
        places = np.flatnonzero(along)
        if not places.size:
            raise ValueError("no voxel is True")
        start.append(max(0, int(places[0]) - margin))
        stop.append(min(along.size, int(places[-1]) + 1 + margin))
    return tuple(start), tuple(stop)


def bounding_slices(
    mask: NDArray[Any], margin_vox: Sequence[int] = (0, 0, 0)
) -> tuple[slice, slice, slice] | None:
    """The bounding box of the nonzero voxels (X, Y, Z) as an index; None where there is none."""
    if not mask.any():
        return None
    x, y, z = map(slice, *bounding_box(mask, margin_vox))
    return x, y, z


def slab_axes(spacing: Sequence[float]) -> tuple[int, int, int]:
    """(slab axis, row axis, column axis) of a grid with this spacing in mm.

    The slab axis is the one of largest spacing; of axes within 1 % of the largest the last one,
    hence the third where all are equal. Rows (H) and columns (W) are the two others, in order.
    """
    largest = max(spacing)
    slab = max(axis for axis in range(3) if spacing[axis] >= 0.99 * largest)
    rows, columns = (axis for axis in range(3) if axis != slab)
    return slab, rows, columns


def rescaled_grid(grid: Grid, spacing_mm: Sequence[float]) -> Grid:
    """The same field of view in voxels of about `spacing_mm`: outer corners stay where they are.

    The count of voxels is whole, so the spacing is met as nearly as that allows.
    """
    shape = [
        max(1, round(n * old / new))
        for n, old, new in zip(grid.shape, spacing(grid.affine), spacing_mm)
    ]
    scale = np.asarray(grid.shape) / np.asarray(shape)
    affine = np.array(grid.affine, np.float64)
    affine[:3, :3] *= scale
    affine[:3, 3] += grid.affine[:3, :3] @ ((scale - 1) / 2)
    return Grid((shape[0], shape[1], shape[2]), affine)


def in_plane_grid(grid: Grid, in_plane_spacing_mm: float, slab_axis: int) -> Grid:
    """`grid` with both in-plane axes at the wanted spacing; the slab axis keeps its own slices.

    An axis already within 2 % of the wanted spacing is left as it is.
    """
    wanted = [
        old
        if axis == slab_axis or abs(old / in_plane_spacing_mm - 1) <= KEEP_SPACING
        else in_plane_spacing_mm
        for axis, old in enumerate(spacing(grid.affine))
    ]
    return rescaled_grid(grid, wanted)


def corner_distance(one: Grid, other: Grid) -> float:
    """Largest distance in mm between the same outer corner of two grids."""
    corners = itertools.product((0, 1), repeat=3)
    return float(max(np.linalg.norm(_corner(one, at) - _corner(other, at)) for at in corners))


def resample_to(
    array: NDArray[Any], affine: Affine, grid: Grid, *, order: int, fill: float = 0
) -> NDArray[Any]:
    """`array` (..., X, Y, Z) sampled on `grid`; what lies outside its field of view becomes `fill`.

    order 0 takes the nearest voxel and keeps the dtype (labels); order 1 interpolates linearly to
    float32 and averages where the target is coarser. Inside the outer half voxel edges replicate.
    Grids that differ by permutation, flips and whole voxels only are not interpolated: the result
    is exact, and may be a view.
    """
    if order not in (0, 1):
        raise ValueError(f"order {order}: want 0 (nearest) or 1 (linear)")
    array = array if order == 0 else array.astype(np.float32, copy=False)
    to_source = np.asarray(np.linalg.solve(affine, grid.affine), np.float64)
    # Put the source axes in the order of the target's, running the same way: what is left is scale,
    # shift and any obliquity.
    axes, against = orientation(np.linalg.inv(to_source).astype(np.float64))
    array, turned = _permuted(array, np.eye(4), axes, against)
    to_source = np.linalg.inv(turned) @ to_source
    shift = np.rint(to_source[:3, 3])
    whole = np.eye(4)
    whole[:3, 3] = shift
    far = Grid(grid.shape, to_source)
    if corner_distance(far, Grid(grid.shape, whole)) <= EXACT_VOX:
        return _windowed(array, shift.astype(int), grid.shape, fill)
    straight = np.diag(np.diag(to_source))
    straight[:3, 3] = to_source[:3, 3]
    if corner_distance(far, Grid(grid.shape, straight)) <= EXACT_VOX:
        return _resample_straight(array, straight, grid.shape, order, fill)
    return _resample_oblique(array, to_source, grid.shape, order, fill)


def _permuted(
    array: NDArray[Any], affine: Affine, axes: Sequence[int], against: Sequence[bool]
) -> tuple[NDArray[Any], Affine]:
    lead = array.ndim - 3
    flips: Index = (..., *(slice(None, None, -1 if flip else 1) for flip in against))
    view = array.transpose(*range(lead), *(lead + axis for axis in axes))[flips]
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, flip) in enumerate(zip(axes, against)):
        change[old, new] = -1 if flip else 1
        change[old, 3] = array.shape[lead + old] - 1 if flip else 0
    return view, np.asarray(affine, np.float64) @ change


def _box(start: Sequence[Any], stop: Sequence[Any]) -> Index:
    return (..., *(slice(int(a), int(b)) for a, b in zip(start, stop)))


def _shifted(affine: Affine, start: Sequence[int]) -> Affine:
    moved = np.array(affine, np.float64)
    moved[:3, 3] += moved[:3, :3] @ np.asarray(start, np.float64)
    return moved


def _corner(grid: Grid, corner: Sequence[int]) -> NDArray[np.float64]:
    index = np.asarray(corner) * np.asarray(grid.shape) - 0.5
    return np.asarray(grid.affine[:3, :3] @ index + grid.affine[:3, 3])


def _windowed(
    array: NDArray[Any], start: NDArray[Any], shape: Sequence[int], fill: float
) -> NDArray[Any]:
    """The box of `shape` at `start`, which may reach beyond the array."""
    low = np.clip(start, 0, array.shape[-3:])
    high = np.clip(start + np.asarray(shape), low, array.shape[-3:])
    inside = array[_box(low, high)]
    if inside.shape[-3:] == tuple(shape):
        return inside
    out = np.full((*array.shape[:-3], *shape), fill, array.dtype)
    if inside.size:
        out[_box(low - start, high - start)] = inside
    return out


def _resample_straight(
    array: NDArray[Any], to_source: Affine, shape: Sequence[int], order: int, fill: float
) -> NDArray[Any]:
    """Axis by axis, for grids whose axes are parallel; axes that shrink come first, so that nothing
    between is larger than source and target."""
    lead = array.ndim - 3
    outside: dict[int, NDArray[np.bool_]] = {}
    for axis in sorted(range(3), key=lambda a: shape[a] / array.shape[lead + a]):
        size, scale = array.shape[lead + axis], to_source[axis, axis]
        where = scale * np.arange(shape[axis]) + to_source[axis, 3]
        outside[axis] = (where < -0.5 - EXACT_VOX) | (where > size - 0.5 + EXACT_VOX)
        if size == shape[axis] and np.abs(where - np.arange(size)).max() <= EXACT_VOX:
            continue
        array = _interpolate_axis(array, where, scale, order, lead + axis)
    if any(out.any() for out in outside.values()):
        array = array.copy()
        for axis, out in outside.items():
            index: Index = (..., out, *[slice(None)] * (2 - axis))
            array[index] = fill
    return array


def _interpolate_axis(
    array: NDArray[Any], where: NDArray[np.float64], scale: float, order: int, axis: int
) -> NDArray[Any]:
    """Sample one axis at positions `where`; a triangle as wide as the target's step averages."""
    size = array.shape[axis]
    where = np.clip(where, 0, size - 1)
    if order == 0:
        return np.take(array, np.floor(where + 0.5).astype(int).clip(0, size - 1), axis=axis)
    reach = max(1.0, scale)
    first = np.floor(where - reach).astype(int) + 1
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)))
    weights = np.maximum(0, 1 - np.abs(taps - where[:, None]) / reach)
    weights[(taps < 0) | (taps >= size)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    taps = taps.clip(0, size - 1)
    along = (-1, *[1] * (array.ndim - 1 - axis))
    out: NDArray[Any] | None = None
    for tap, weight in zip(taps.T, weights.T.astype(np.float32)):
        if not weight.any():
            continue
        part = np.take(array, tap, axis=axis)
        part *= weight.reshape(along)
        out = part if out is None else np.add(out, part, out=out)
    assert out is not None
    return out


def _resample_oblique(
    array: NDArray[Any], to_source: Affine, shape: Sequence[int], order: int, fill: float
) -> NDArray[Any]:
    matrix, offset = to_source[:3, :3], to_source[:3, 3]
    if order == 1:
        steps = np.sqrt((matrix**2).sum(axis=1))  # target step in source voxels, by source axis
        sigma = np.maximum(0, (steps - 1) / 2)
        if sigma.max() > 0.05:
            array = ndimage.gaussian_filter(
                array, (*[0] * (array.ndim - 3), *sigma), mode="nearest"
            )
    outside = np.zeros(tuple(shape), bool)
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    for row, start, size in zip(matrix, offset, array.shape[-3:]):
        where = sum(step * axis for step, axis in zip(row, axes)) + start
        outside |= (where < -0.5 - EXACT_VOX) | (where > size - 0.5 + EXACT_VOX)
    out = np.empty((*array.shape[:-3], *shape), array.dtype)
    for lead in np.ndindex(*array.shape[:-3]):
        ndimage.affine_transform(
            array[lead], matrix, offset, output=out[lead], order=order, mode="nearest"
        )
        out[lead][outside] = fill
    return out
