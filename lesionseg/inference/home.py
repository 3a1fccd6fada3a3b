"""Carry a LesionMap to the scan's own grid: one resample of probability, then the thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lesionseg.geometry import resample_to, spacing
from lesionseg.inference.lesion_maps import keep_scored, lesions_at
from lesionseg.structures import Grid, LesionMap, OperatingPoint


@dataclass(frozen=True, eq=False)
class Delivered:
    """What one scan is given back, on its own grid.

    ids: (X, Y, Z) int32, 1.. by falling score. scores: by id. candidate_ids, candidate_scores: the
    same before the score threshold. probability: (X, Y, Z) float32, of the voxel being lesion.
    """

    ids: NDArray[np.int32]
    scores: dict[int, float]
    candidate_ids: NDArray[np.int32]
    candidate_scores: dict[int, float]
    probability: NDArray[np.float32]


def deliver(lesion_map: LesionMap, grid: Grid, point: OperatingPoint) -> Delivered:
    """Resample to `grid`, threshold there, and name the voxels by lesion."""
    probability = resample_to(
        lesion_map.probability, lesion_map.affine, grid, order=1, fill=0.0
    ).astype(np.float32)
    if lesion_map.conditional:
        ids = _carried_ids(lesion_map, probability, grid, point.voxel_threshold)
        scores = {int(i): lesion_map.scores[int(i)] for i in np.unique(ids) if i > 0}
        weight = np.zeros(int(lesion_map.lesion_ids.max(initial=0)) + 1, dtype=np.float32)
        for lesion, score in lesion_map.scores.items():
            weight[lesion] = score
        joint = probability * weight[_near_ids(lesion_map, probability, grid, 0.05)]
    else:
        ids, scores = lesions_at(probability, point.voxel_threshold, lesion_map)
        joint = probability
    candidate_ids, candidate_scores = keep_scored(ids, scores, 0.0)
    kept, kept_scores = keep_scored(ids, scores, point.score_threshold)
    return Delivered(kept, kept_scores, candidate_ids, candidate_scores, joint)


def _carried_ids(
    lesion_map: LesionMap, probability: NDArray[np.float32], grid: Grid, threshold: float
) -> NDArray[np.int32]:
    """Ids of the voxels at or above the threshold; a lesion that reaches none keeps its peak."""
    ids = _near_ids(lesion_map, probability, grid, threshold)
    arrived = np.zeros(int(lesion_map.lesion_ids.max(initial=0)) + 1, dtype=bool)
    arrived[np.unique(ids)] = True
    reach = lesion_map.probability >= threshold
    missing = np.unique(lesion_map.lesion_ids[reach])
    missing = missing[(missing > 0) & ~arrived[missing]]
    if len(missing) == 0:
        return ids
    to_grid = np.linalg.inv(grid.affine) @ lesion_map.affine
    where = np.flatnonzero(np.isin(lesion_map.lesion_ids, missing))
    owner = lesion_map.lesion_ids.ravel()[where]
    order = np.lexsort((-lesion_map.probability.ravel()[where], owner))
    for lesion, first in zip(*np.unique(owner[order], return_index=True)):
        peak = np.array(np.unravel_index(where[order[first]], lesion_map.lesion_ids.shape))
        voxel = np.rint(to_grid[:3, :3] @ peak + to_grid[:3, 3]).astype(int)
        voxel = tuple(np.clip(voxel, 0, np.array(grid.shape) - 1))
        if ids[voxel] == 0:
            ids[voxel] = lesion
    return ids


def _near_ids(
    lesion_map: LesionMap, probability: NDArray[np.float32], grid: Grid, threshold: float
) -> NDArray[np.int32]:
    """For each voxel of the grid at or above the threshold, the id of the nearest lesion voxel."""
    ids = resample_to(lesion_map.lesion_ids, lesion_map.affine, grid, order=0, fill=0)
    ids = np.where(probability >= threshold, ids, 0).astype(np.int32)
    nameless = np.argwhere((probability >= threshold) & (ids == 0))
    named = np.argwhere(lesion_map.lesion_ids > 0)
    if len(nameless) and len(named):
        to_map = np.linalg.inv(lesion_map.affine) @ grid.affine
        step = np.array(spacing(lesion_map.affine))
        points = (nameless @ to_map[:3, :3].T + to_map[:3, 3]) * step
        _, nearest = cKDTree(named * step).query(points)
        ids[tuple(nameless.T)] = lesion_map.lesion_ids[tuple(named[nearest].T)]
    return ids
