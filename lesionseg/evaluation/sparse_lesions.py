"""Lesions as sparse lists of voxels: a mask of millions of voxels holds a few thousand of lesion.

Everything else works on those lists and on one padded bounding box of both masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.geometry import bounding_slices

PAD = 2  # room for neighbours and for one dilation, so that no index needs a bounds check
DROPPED = 0.5  # of a predicted lesion's voxels: where so many are ignored, it is left out whole


@dataclass(frozen=True, eq=False)
class Frame:
    """The bounding box of both masks, padded by PAD voxels of background on every side.

    start: index in the whole array of the frame's voxel (0, 0, 0); may be negative.
    """

    shape: tuple[int, int, int]
    start: tuple[int, int, int]

    @property
    def steps(self) -> NDArray[np.int64]:
        """Distance in a flattened frame to the next voxel along each axis."""
        return np.array([self.shape[1] * self.shape[2], self.shape[2], 1])

    def coordinates(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) flat indices to (N, 3) voxel indices in the whole array."""
        return np.stack(np.unravel_index(flat, self.shape), axis=1) + np.asarray(self.start)


@dataclass(frozen=True, eq=False)
class Lesions:
    """The lesions of one mask.

    ids: (L,) int32, ascending, as in the file, or for components from a first one on.
    sizes: (L,) voxels. flat: (N,) their voxels in the flattened frame, ascending.
    index: (N,) the lesion (0..L-1) of each voxel. mask: bool, the whole frame.
    """

    ids: NDArray[np.int32]
    sizes: NDArray[np.int64]
    flat: NDArray[np.int64]
    index: NDArray[np.int64]
    mask: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


def checked_mask(mask: NDArray[Any], name: str) -> NDArray[Any]:
    """The mask as integers or booleans; floats of whole numbers, as viewers write, are taken.

    Raises TypeError for fractions and other dtypes, ValueError for a shape that no mask may have.
    """
    mask = np.asarray(mask)
    if np.issubdtype(mask.dtype, np.floating):
        small = np.isfinite(mask).all() and float(np.abs(mask).max(initial=0)) < 2**53
        whole = mask.astype(np.int64) if small else None
        if whole is None or not np.array_equal(whole, mask):
            raise TypeError(f"{name} holds fractions; a mask has whole numbers: threshold it")
        mask = whole
    if not (np.issubdtype(mask.dtype, np.integer) or mask.dtype == bool):
        raise TypeError(
            f"{name} has dtype {mask.dtype}; a mask has integers or booleans: round or threshold it"
        )
    if mask.ndim != 3:
        raise ValueError(f"{name} has shape {mask.shape}; a mask has three axes")
    return mask


def common_frame(reference: NDArray[Any], prediction: NDArray[Any]) -> Frame:
    """The frame around both masks, which must have one shape (X, Y, Z)."""
    boxes = [box for box in map(bounding_slices, (reference, prediction)) if box is not None]
    first = [min((box[axis].start for box in boxes), default=0) for axis in range(3)]
    last = [max((box[axis].stop for box in boxes), default=0) for axis in range(3)]
    x, y, z = (b - a + 2 * PAD for a, b in zip(first, last))
    return Frame((x, y, z), (first[0] - PAD, first[1] - PAD, first[2] - PAD))


def find_lesions(
    mask: NDArray[Any],
    frame: Frame,
    *,
    connectivity: int,
    instances: bool | None,
    first_id: int = 1,
) -> Lesions:
    """The lesions of `mask` (X, Y, Z), binary or instance ids.

    instances: True, the nonzero values are lesion ids; False, components are taken; None,
    components are taken where the mask is boolean or holds one value besides 0. first_id: that of
    the first component.
    Raises ValueError for negative ids and for ids beyond int32.
    """
    inner = tuple(slice(s + PAD, s + n - PAD) for s, n in zip(frame.start, frame.shape))
    inside = np.zeros(frame.shape, dtype=bool)
    inside[PAD:-PAD, PAD:-PAD, PAD:-PAD] = mask[inner] != 0
    flat = np.flatnonzero(inside)
    coordinates = frame.coordinates(flat)
    values = mask[coordinates[:, 0], coordinates[:, 1], coordinates[:, 2]]
    if len(values) and (values.min() < 0 or values.max() > np.iinfo(np.int32).max):
        raise ValueError(
            f"lesion ids run from {values.min()} to {values.max()}; they must be positive int32"
        )
    if instances is None:
        instances = len(values) > 0 and bool(values.min() != values.max())
    if not instances:
        values = label_components(inside, connectivity).reshape(-1)[flat] + (first_id - 1)
    ids, index = np.unique(values.astype(np.int32), return_inverse=True)
    return Lesions(
        ids, np.bincount(index, minlength=len(ids)), flat, index.astype(np.int64), inside
    )


def without_ignored(
    lesions: Lesions, ignored: NDArray[np.bool_], frame: Frame, reference: Lesions
) -> tuple[Lesions, int]:
    """The lesions without their voxels where `ignored` (X, Y, Z), and how many were dropped whole:
    those at least half of whose voxels lie there, and that touch no lesion of the reference."""
    x, y, z = frame.coordinates(lesions.flat).T
    lost = ignored[x, y, z]
    share = np.bincount(lesions.index[lost], minlength=len(lesions)) / np.maximum(lesions.sizes, 1)
    hits = np.bincount(
        lesions.index[~lost & reference.mask.reshape(-1)[lesions.flat]], minlength=len(lesions)
    )
    stays = (share < DROPPED) | (hits > 0)
    kept = ~lost & stays[lesions.index]
    mask = lesions.mask.copy()
    mask.reshape(-1)[lesions.flat[~kept]] = False
    renumbered = np.cumsum(stays) - 1
    index = renumbered[lesions.index[kept]]
    num = int(stays.sum())
    found = Lesions(
        lesions.ids[stays],
        np.bincount(index, minlength=num),
        lesions.flat[kept],
        index.astype(np.int64),
        mask,
    )
    return found, len(lesions) - num
