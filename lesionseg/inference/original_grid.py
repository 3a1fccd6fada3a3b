"""Carry a LesionMap to the scan's own grid: one resample of probability, then the thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lesionseg.components import present_ids
from lesionseg.geometry import bounding_slices, crop, resample_to
from lesionseg.inference.claims import Claims
from lesionseg.inference.lesion_maps import keep_scored, lesions_at
from lesionseg.inference.score_calibration import calibrated
from lesionseg.structures import Grid, LesionMap, OperatingPoint

FAINT = 0.05  # voxels of lower mask probability are in no lesion at all


@dataclass(frozen=True, eq=False)
class ClassLesions:
    """The lesions of one class on the scan's own grid, as if there were no other class.

    claims: of all candidates, ids 1.. by falling score, and the threshold of the score.
    probability: (X, Y, Z) float32, of the voxel being lesion of this class.
    """

    claims: Claims
    probability: NDArray[np.float32]


def to_original_grid(lesion_map: LesionMap, grid: Grid, point: OperatingPoint) -> ClassLesions:
    """Resample to `grid`, threshold there, and give each voxel the id of its lesion.

    The lesions are those of the map's own grid, on which the thresholds were chosen; none is lost
    on a coarser one. Their scores are told as `point.calibration` says.
    """
    probability = resample_to(
        lesion_map.probability, lesion_map.affine, grid, order=1, fill=0.0
    ).astype(np.float32)
    found, own = lesions_at(lesion_map.probability, point.voxel_threshold, lesion_map)
    scores = {i: float(calibrated(score, point.calibration)) for i, score in own.items()}
    ids = _carried_ids(found, lesion_map, probability, grid, point.voxel_threshold)
    del found  # a volume less while the next is made
    scores = {int(i): scores[int(i)] for i in present_ids(ids)}
    joint = probability
    if lesion_map.conditional:
        weight = np.zeros(int(lesion_map.lesion_ids.max(initial=0)) + 1, dtype=np.float32)
        for lesion, score in lesion_map.scores.items():
            weight[lesion] = calibrated(score, point.calibration)
        joint = _times_scores(probability, weight, lesion_map, grid)
    ids, scores = keep_scored(ids, scores, 0.0)
    strength = None if lesion_map.conditional else joint
    return ClassLesions(Claims(ids, scores, point.score_threshold, strength), joint)


def _times_scores(
    probability: NDArray[np.float32],
    weight: NDArray[np.float32],
    lesion_map: LesionMap,
    grid: Grid,
) -> NDArray[np.float32]:
    """The probability of a voxel, given its lesion, times that of the lesion, `weight` by id; 0 in
    voxels too faint to be of any."""
    box, near = _near_ids(lesion_map.lesion_ids, lesion_map, probability >= FAINT, grid)
    joint = np.zeros(grid.shape, np.float32)  # takes no memory but where it is written
    for ids, chance, plane in zip(near, probability[box], joint[box]):
        np.multiply(weight[ids], chance, out=plane)  # an index of the whole would be of 64 bits
    return joint


def _carried_ids(
    found: NDArray[np.int32],
    lesion_map: LesionMap,
    probability: NDArray[np.float32],
    grid: Grid,
    threshold: float,
) -> NDArray[np.int32]:
    """Ids of the voxels at or above the threshold, at least one voxel for each lesion.

    found: the lesions at that threshold on the map's grid. A voxel belongs to a lesion where the
    linear interpolation that made its probability used one of the lesion's voxels.
    """
    box, near = _near_ids(found, lesion_map, probability >= threshold, grid, within=1 - 1e-3)
    ids = np.zeros(grid.shape, np.int32)
    ids[box] = near
    missing = np.setdiff1d(present_ids(found), present_ids(ids))
    if len(missing) == 0:
        return ids
    to_grid = np.linalg.inv(grid.affine) @ lesion_map.affine
    where = np.flatnonzero(np.isin(found, missing))
    order = np.lexsort((-lesion_map.probability.ravel()[where], found.ravel()[where]))
    where = where[order]
    owner = found.ravel()[where]
    for lesion, first, num in zip(*np.unique(owner, return_index=True, return_counts=True)):
        places = np.stack(np.unravel_index(where[first : first + num], found.shape), axis=1)
        voxels = np.rint(places @ to_grid[:3, :3].T + to_grid[:3, 3]).astype(int)
        voxels = voxels.clip(0, np.array(grid.shape) - 1)
        free = ids[tuple(voxels.T)] == 0
        if free.any():  # the most probable of its voxels that no other lesion has
            ids[tuple(voxels[free.argmax()])] = lesion
    return ids


def _near_ids(
    ids: NDArray[np.int32],
    lesion_map: LesionMap,
    inside: NDArray[np.bool_],
    grid: Grid,
    within: float = np.inf,
) -> tuple[tuple[slice, slice, slice], NDArray[np.int32]]:
    """The box of the grid's voxels that are `inside`, and for each of these the id of the nearest
    lesion voxel of the map, 0 for the others: (x, y, z) int32, as large as the box.

    within: largest distance along each axis, as a share of the reach of linear interpolation.
    """
    box = bounding_slices(inside)
    if box is None:
        return (slice(0, 0),) * 3, np.zeros((0, 0, 0), np.int32)
    inside, affine = crop(inside, grid.affine, *zip(*((one.start, one.stop) for one in box)))
    x, y, z = inside.shape
    grid = Grid((x, y, z), affine)
    near = resample_to(ids, lesion_map.affine, grid, order=0, fill=0)
    near = np.where(inside, near, np.int32(0))
    nameless, named = np.argwhere(inside & (near == 0)), np.argwhere(ids > 0)
    if len(nameless) and len(named):
        to_map = np.linalg.inv(lesion_map.affine) @ grid.affine
        reach = np.maximum(1, np.abs(to_map[:3, :3]).sum(axis=1))  # voxels of the map
        points = (nameless @ to_map[:3, :3].T + to_map[:3, 3]) / reach
        distance, nearest = cKDTree(named / reach).query(
            points, p=np.inf, distance_upper_bound=within
        )
        reached = np.isfinite(distance)
        near[tuple(nameless[reached].T)] = ids[tuple(named[nearest[reached]].T)]
    return box, near
