"""Lesions as sparse lists of voxels: a mask of millions of voxels holds a few thousand of lesion.

Everything after this file works on those lists and on one padded bounding box of both masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from lesionseg.settings.defaults import CONNECTIVITY

CONNECTIVITIES = (6, 18, 26)
PAD = 2  # room for neighbours and for one dilation, so that no index needs a bounds check


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

    ids: (L,) int32, ascending, as in the file, or 1..L for components.
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


def label_components(mask: NDArray[Any], connectivity: int = CONNECTIVITY) -> NDArray[np.int32]:
    """Connected components of the nonzero voxels of `mask` (X, Y, Z): int32 ids 1..L, 0 background.

    connectivity: 6, 18 or 26. Raises ValueError for any other.
    """
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"connectivity is {connectivity}; it must be one of {CONNECTIVITIES}")
    if mask.size == 0:
        return np.zeros(mask.shape, np.int32)
    binary = np.ascontiguousarray(mask != 0)
    labels = cc3d.connected_components(binary, connectivity=connectivity)  # type: ignore[call-overload]
    return np.asarray(labels).astype(np.int32)


def check_mask(mask: NDArray[Any], name: str) -> None:
    """Raise TypeError for a dtype, ValueError for a shape or a value, that no mask may have."""
    if not (np.issubdtype(mask.dtype, np.integer) or mask.dtype == bool):
        raise TypeError(
            f"{name} has dtype {mask.dtype}; a mask has integers or booleans: round or threshold it"
        )
    if mask.ndim != 3:
        raise ValueError(f"{name} has shape {mask.shape}; a mask has three axes")


def common_frame(reference: NDArray[Any], prediction: NDArray[Any]) -> Frame:
    """The frame around both masks, which must have one shape (X, Y, Z)."""
    start, shape = [], []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        used = np.flatnonzero(reference.any(axis=others) | prediction.any(axis=others))
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        start.append(first - PAD)
        shape.append(last - first + 2 * PAD)
    return Frame((shape[0], shape[1], shape[2]), (start[0], start[1], start[2]))


def find_lesions(
    mask: NDArray[Any], frame: Frame, *, connectivity: int, instances: bool | None
) -> Lesions:
    """The lesions of `mask` (X, Y, Z), binary or instance ids.

    instances: True, the nonzero values are lesion ids; False, components are taken; None,
    components are taken where the mask is boolean or holds one value besides 0.
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
        values = label_components(inside, connectivity).reshape(-1)[flat]
    ids, index = np.unique(values.astype(np.int32), return_inverse=True)
    return Lesions(
        ids, np.bincount(index, minlength=len(ids)), flat, index.astype(np.int64), inside
    )
