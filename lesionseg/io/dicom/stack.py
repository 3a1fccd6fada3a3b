"""Whether DICOM slices stack up to one regular volume, judged by their positions alone.

Positions are ImagePositionPatient (the centre of the first pixel), directions those of
ImageOrientationPatient: DICOM PS3.3, C.7.6.2.1.1. Slice thickness, slice spacing, tilt and instance
numbers of a header are not used, because they are often wrong.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.structures import Affine

SAME_PLACE_MM = 0.01
MAX_SHEAR = 1e-3  # in-plane drift of a slice per mm to the next
WITHIN_MM = 0.09  # of a slice of the regular grid each slice must lie; 0.1 is promised
FINEST_MM = 2 * WITHIN_MM  # at this step every position is within reach


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices, sorted along their normal.

    order: of the slices as given. along: (N,) mm along the normal, rising. shift: (N, 2) mm of the
    first pixel along a row and along a column. row, column, normal: unit vectors, LPS.
    spacing: mm from column to column, and from row to row. shape: (columns, rows).
    """

    order: NDArray[np.intp]
    along: NDArray[np.float64]
    shift: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    spacing: tuple[float, float]
    shape: tuple[int, int]

    @property
    def normal(self) -> NDArray[np.float64]:
        return np.cross(self.row, self.column)

    @property
    def positions(self) -> NDArray[np.float64]:
        """(N, 3) LPS mm of the slices' first pixels, in order."""
        return np.stack([_position(self, index) for index in range(len(self.along))])


def stack_slices(
    positions: NDArray[np.float64],
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    spacing: tuple[float, float],
    shape: tuple[int, int],
) -> Stack:
    """Slices of one orientation, by position. positions: (N, 3) mm LPS of their first pixels."""
    along = positions @ np.cross(row, column)
    order = np.argsort(along, kind="stable")
    shift = np.stack([positions @ row, positions @ column], axis=1)
    return Stack(order, along[order], shift[order], row, column, spacing, shape)


def irregularities(stack: Stack) -> list[str]:
    """What keeps the slices from being one regular volume, each with its numbers; none: regular."""
    gaps = np.diff(stack.along)
    if not gaps.size:
        return []
    found = []
    tilt, crooked = _tilt(stack), _crooked(stack)
    if crooked:
        found.append(f"slices shifted in their plane, up to {crooked:.3g} mm off a straight line")
    elif tilt > math.degrees(math.atan(MAX_SHEAR)):
        found.append(f"tilted by {tilt:.1f} degrees (each slice is shifted in its plane)")
    even = np.linspace(stack.along[0], stack.along[-1], len(stack.along))
    typical = float(np.median(gaps))
    if np.abs(stack.along - even).max() > max(SAME_PLACE_MM, 0.01 * typical):
        low, high = gaps.min(), gaps.max()
        text = f"unequal gaps of {low:.2f} to {high:.2f} mm between slices"
        steps = gaps / typical
        if np.abs(steps - np.rint(steps)).max() < 0.05 and steps.min() > 0.5:
            missing = int(np.rint(steps).sum()) - len(gaps)
            text = f"{missing} missing slices ({text})"
        found.append(text)
    return found


def num_repeated(stack: Stack) -> int:
    """How many slices lie where another one does: several b-values, echoes or times."""
    return int(np.count_nonzero(np.diff(stack.along) < SAME_PLACE_MM))


def regular_affine(stack: Stack) -> Affine:
    """(4, 4) affine, RAS+ mm, of the slices as they are: (column, row, slice) -> world."""
    count = len(stack.along)
    first, last = (_position(stack, index) for index in (0, count - 1))
    step = (last - first) / (count - 1) if count > 1 else stack.normal
    return _ras(stack, first, step)


def resampled(
    voxels: NDArray[np.generic], stack: Stack, along: NDArray[np.float64]
) -> tuple[NDArray[np.float32], Affine]:
    """The volume on a regular grid whose third axis is the normal, and its affine.

    voxels: (columns, rows, N), sorted as the stack is. along: planes of the grid, of `even_planes`.
    A slice stands unchanged in the plane nearest to it, moved within that plane to its true place,
    bilinearly; between slices planes are interpolated linearly. Beyond a slice's edge is its
    darkest value.
    """
    low = stack.shift.min(axis=0)
    steps = np.asarray(stack.spacing)
    grow = np.ceil((stack.shift.max(axis=0) - low) / steps - 1e-6).astype(int)
    shape = (stack.shape[0] + grow[0], stack.shape[1] + grow[1])
    out = np.empty((*shape, len(along)), np.float32)
    planes = nearest_planes(stack, along)
    fill = float(voxels.min())
    for index, plane in enumerate(planes):
        canvas = np.full(shape, fill, np.float32)
        canvas[: stack.shape[0], : stack.shape[1]] = voxels[:, :, index]
        move = (stack.shift[index] - low) / steps
        if np.abs(move).max() > 1e-6:
            canvas = ndimage.shift(canvas, move, order=1, mode="constant", cval=fill)
        out[:, :, plane] = canvas
    for before, after in itertools.pairwise(planes):
        for plane in range(before + 1, after):
            share = np.float32((plane - before) / (after - before))
            out[:, :, plane] = (1 - share) * out[:, :, before] + share * out[:, :, after]
    origin = low[0] * stack.row + low[1] * stack.column + along[0] * stack.normal
    return out, _ras(stack, origin, (along[1] - along[0]) * stack.normal)


def even_planes(stack: Stack) -> NDArray[np.float64]:
    """The coarsest evenly spaced planes, mm along the normal, that hold a plane within 0.1 mm of
    every slice, each slice its own."""
    span = float(stack.along[-1] - stack.along[0])
    from_first = stack.along - stack.along[0]
    for count in range(len(stack.along) - 1, math.ceil(span / FINEST_MM) + 1):
        step = span / count
        planes = np.rint(from_first / step)
        off = from_first - planes * step
        middle = (off.max() + off.min()) / 2
        if np.abs(off - middle).max() <= WITHIN_MM and np.diff(planes).min() >= 1:
            return np.asarray(stack.along[0] + middle + step * np.arange(count + 1))
    raise ValueError(f"slices {np.diff(stack.along).min():.3g} mm apart; want {FINEST_MM} at least")


def nearest_planes(stack: Stack, along: NDArray[np.float64]) -> list[int]:
    """Which of the even planes each slice stands in."""
    step = along[1] - along[0]
    return [int(plane) for plane in np.rint((stack.along - along[0]) / step)]


def _tilt(stack: Stack) -> float:
    """Degrees between the direction in which the slices follow and their normal."""
    if len(stack.along) < 2:
        return 0.0
    drift = np.polyfit(stack.along, stack.shift, 1)[0]
    return math.degrees(math.atan(float(np.hypot(*drift))))


def _crooked(stack: Stack) -> float:
    """Largest in-plane distance, in mm, of a slice from the straight line through all; 0: none."""
    if len(stack.along) < 2:
        return 0.0
    line = np.polyfit(stack.along, stack.shift, 1)
    off = stack.shift - (stack.along[:, None] * line[0] + line[1])
    far = float(np.hypot(*off.T).max())
    return far if far > max(SAME_PLACE_MM, 0.01 * min(stack.spacing)) else 0.0


def _position(stack: Stack, index: int) -> NDArray[np.float64]:
    x, y = stack.shift[index]
    return np.asarray(x * stack.row + y * stack.column + stack.along[index] * stack.normal)


def _ras(stack: Stack, origin: NDArray[np.float64], step: NDArray[np.float64]) -> Affine:
    affine = np.eye(4)
    affine[:3, 0] = stack.row * stack.spacing[0]
    affine[:3, 1] = stack.column * stack.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = origin
    affine[:2] *= -1  # LPS to RAS
    return affine
