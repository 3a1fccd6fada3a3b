"""Lesions as ids in a volume: labelling and measuring them. No files, no torch.

A volume of lesion ids is (X, Y, Z) integers, 0 = background. The same few measures of each id are
asked for in training, prediction and reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from lesionseg.geometry import bounding_slices, voxel_volume
from lesionseg.settings.defaults import CONNECTIVITY
from lesionseg.size_buckets import diameter_mm
from lesionseg.structures import Affine

CONNECTIVITIES = (6, 18, 26)

HALF_MASS_MM3 = 10.0  # of a sure lesion whose score by mass is a half


def label_components(mask: NDArray[Any], connectivity: int = CONNECTIVITY) -> NDArray[np.int32]:
    """Connected components of the nonzero voxels of `mask` (X, Y, Z): int32 ids 1..L, 0 background.

    They are numbered in the order in which their first voxels stand, the last axis fastest.
    connectivity: 6, 18 or 26. Raises ValueError for any other.
    """
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"connectivity is {connectivity}; it must be one of {CONNECTIVITIES}")
    ids: NDArray[np.int32] = np.zeros(mask.shape, np.int32)
    box = bounding_slices(mask)
    if box is not None:
        # the frame keeps cc3d from expecting too few components of a thin array, at which it raises
        framed = np.pad(np.ascontiguousarray(mask[box] != 0), 1)
        found = cc3d.connected_components(  # type: ignore[call-overload]
            framed, connectivity=connectivity, out_dtype=np.uint32
        )
        ids[box] = found[1:-1, 1:-1, 1:-1]
    return ids


def present_ids(ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """The ids above 0 of a volume, ascending, without a copy of the volume."""
    seen = np.zeros(int(ids.max(initial=0)) + 1, dtype=bool)
    for plane in ids:
        seen[np.maximum(plane, 0)] = True
    return np.flatnonzero(seen[1:]) + 1


def relabelled(ids: NDArray[np.int32], new: NDArray[np.int32]) -> NDArray[np.int32]:
    """The volume (X, Y, Z) with each id replaced by `new[id]`; background stays 0.

    Memory is taken for the box that holds all lesions alone.
    """
    found: NDArray[np.int32] = np.zeros(ids.shape, np.int32)
    box = bounding_slices(ids)
    if box is not None:
        table = np.append(np.int32(0), new[1:])
        for old, plane in zip(ids[box], found[box]):  # an index of the whole would be of 64 bits
            plane[:] = table[old]
    return found


def label_pieces(ids: NDArray[np.int32], connectivity: int = CONNECTIVITY) -> NDArray[np.int32]:
    """Connected pieces of one id each, (X, Y, Z): int32 1..P, 0 background.

    Lesions that touch stay apart, and an id of several pieces has several numbers.
    """
    framed = np.pad(np.ascontiguousarray(ids, np.int32), 1)
    found = cc3d.connected_components(  # type: ignore[call-overload]
        framed, connectivity=connectivity, out_dtype=np.uint32
    )
    pieces: NDArray[np.int32] = found[1:-1, 1:-1, 1:-1].astype(np.int32)
    return pieces


def lesion_measures(ids: NDArray[np.int32], affine: Affine) -> dict[int, dict[str, float]]:
    """Per lesion id, ascending: volume_mm3, diameter_mm and centroid_{r,a,s}_mm.

    The diameter is that of the sphere of equal volume; centroids are means of voxel centres in
    RAS+ mm. affine: (4, 4) of the grid of `ids` (X, Y, Z).
    """
    flat = np.flatnonzero(ids > 0)
    owner = ids.ravel()[flat]
    counts = np.bincount(owner)
    index = np.unravel_index(flat, ids.shape)
    sums = np.stack([np.bincount(owner, weights=axis) for axis in index])
    voxel = voxel_volume(affine)
    table = {}
    for lesion in np.flatnonzero(counts):
        r, a, s = affine[:3, :3] @ (sums[:, lesion] / counts[lesion]) + affine[:3, 3]
        volume = float(counts[lesion] * voxel)
        table[int(lesion)] = {
            "volume_mm3": volume,
            "diameter_mm": float(diameter_mm(volume)),
            "centroid_r_mm": float(r),
            "centroid_a_mm": float(a),
            "centroid_s_mm": float(s),
        }
    return table


def component_scores(
    ids: NDArray[Any], probability: NDArray[Any], how: str = "peak", *, voxel_mm3: float = 1.0
) -> dict[int, float]:
    """How sure a model that judges voxels is of each lesion, by id; both arrays are (X, Y, Z).

    how: `peak`, the largest probability inside it; `mean`, the mean of all inside it; or `mass`,
    the volume m mm3 that they add up to as m / (m + 10), so that of lesions as sure the largest
    comes first. Losses with Dice drive every lesion's peak to 1, where peaks rank nothing.
    """
    if how == "peak":
        return peak_scores(ids, probability)
    flat = np.flatnonzero(ids)
    label, inside = ids.ravel()[flat], probability.ravel()[flat].astype(np.float64)
    summed, present = np.bincount(label, weights=inside), np.bincount(label)
    mass = voxel_mm3 * summed
    values = summed / np.maximum(present, 1) if how == "mean" else mass / (mass + HALF_MASS_MM3)
    return {int(i): float(values[i]) for i in np.flatnonzero(present)}


def peak_scores(ids: NDArray[Any], probability: NDArray[Any]) -> dict[int, float]:
    """The largest probability inside each lesion, by id, ascending; both arrays are (X, Y, Z)."""
    flat = np.flatnonzero(ids)
    label, inside = ids.ravel()[flat], probability.ravel()[flat]
    if int(label.max(initial=0)) > ids.size:  # ids of a file, too far apart for a table of them all
        values, label = np.unique(label, return_inverse=True)
        peak = np.zeros(len(values))
        np.maximum.at(peak, label, inside)
        return dict(zip(values.tolist(), peak.tolist()))
    present = np.bincount(label)
    peak = np.zeros(len(present))
    np.maximum.at(peak, label, inside)
    return {int(i): float(peak[i]) for i in np.flatnonzero(present)}


def pieces_in_slice(
    lesion_ids: NDArray[np.int32],
) -> Iterator[tuple[int, NDArray[np.bool_], tuple[int, int]]]:
    """(lesion id, mask inside its tight box, the box's first row and column) of each 8-connected
    piece of one id in a slice (H, W)."""
    present = np.maximum(lesion_ids, 0)  # no piece of what is ignored
    pieces, num = cc3d.connected_components(present, connectivity=8, return_N=True)
    if not num:
        return
    for number, box in enumerate(cc3d.statistics(pieces)["bounding_boxes"][1:], 1):
        rows, columns = box[0], box[1]
        mask = pieces[rows, columns] == number
        lesion = int(lesion_ids[rows, columns][mask][0])
        yield lesion, mask, (rows.start, columns.start)
