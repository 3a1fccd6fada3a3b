"""Region Dice: Dice inside the Voronoi region of each reference lesion.

Jaus et al., "Every Component Counts: Rethinking the Measure of Success for Medical Semantic
Segmentation in Multi-Instance Segmentation Tasks" (2024), measures inside the region of space that
is nearer to one lesion than to any other. How a prediction is cut into instances changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lesionseg.evaluation.sparse_lesions import Frame, Lesions
from lesionseg.evaluation.surfaces import surface_voxels
from lesionseg.slack import slack_mm

NEIGHBOURS = 8  # neighbours asked for at once: a grid point often has several nearest voxels


def region_dice(
    reference: Lesions,
    prediction: Lesions,
    shared: NDArray[np.int64],
    frame: Frame,
    spacing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Dice inside each reference lesion's region, (R,).

    shared: (R,) voxels of each reference lesion that are predicted, by whichever lesion.
    spacing: (3,) mm. A predicted voxel at equal distance from k lesions counts as 1/k in each
    region, so the result depends neither on ids nor on axis directions.
    """
    if len(reference) == 0:
        return np.zeros(0)
    outside = prediction.flat[~reference.mask.reshape(-1)[prediction.flat]]
    predicted = shared + _nearest_lesion_counts(reference, outside, frame, spacing)
    return 2 * shared / (reference.sizes + predicted)


def _nearest_lesion_counts(
    reference: Lesions, outside: NDArray[np.int64], frame: Frame, spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many of the voxels `outside` the lesions are nearest to each lesion, (R,)."""
    counts = np.zeros(len(reference))
    if len(outside) == 0:
        return counts
    # The nearest lesion voxel to a point outside has a face towards background: surfaces suffice.
    outer = surface_voxels(reference, frame)
    lesion = reference.index[np.searchsorted(reference.flat, outer)]
    tree = cKDTree(frame.coordinates(outer) * spacing)
    points = frame.coordinates(outside) * spacing
    k = min(NEIGHBOURS, len(outer))
    distance, near = (a.reshape(len(outside), k) for a in tree.query(points, k=k))
    slack = slack_mm(spacing)
    tied = distance <= distance[:, :1] + slack
    owner = np.where(tied, lesion[near], lesion[near[:, :1]])
    alone = (owner == owner[:, :1]).all(axis=1) & ~(tied[:, -1] & (k < len(outer)))
    counts += np.bincount(owner[alone, 0], minlength=len(reference))
    for i in np.flatnonzero(~alone):
        ball = tree.query_ball_point(points[i], distance[i, 0] + slack)
        owners = np.unique(lesion[ball])
        counts[owners] += 1 / len(owners)
    return counts
