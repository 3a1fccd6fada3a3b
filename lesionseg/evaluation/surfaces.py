"""Distances between the surfaces of two masks, on surface voxels only.

A surface voxel is a mask voxel with a face neighbour outside the mask; beyond the array is outside
(the boundary of Maier-Hein et al., Metrics Reloaded, 2024). Distances are in mm,
between voxel centres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lesionseg.evaluation.sparse_lesions import Frame, Lesions
from lesionseg.slack import slack_mm


def surface_voxels(lesions: Lesions, frame: Frame) -> NDArray[np.int64]:
    """Flat indices of the surface voxels of all lesions taken as one mask, ascending."""
    mask = lesions.mask.reshape(-1)
    inner = np.ones(len(lesions.flat), dtype=bool)
    for step in frame.steps:
        inner &= mask[lesions.flat + step] & mask[lesions.flat - step]
    return lesions.flat[~inner]


def surface_distances(
    reference: Lesions, prediction: Lesions, frame: Frame, spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance in mm from each surface voxel of one mask to the nearest of the other, both ways.

    Neither mask may be empty.
    """
    a, b = surface_voxels(reference, frame), surface_voxels(prediction, frame)
    return _nearest(a, b, frame, spacing), _nearest(b, a, frame, spacing)


def normalised_surface_dice(
    there: NDArray[np.float64],
    back: NDArray[np.float64],
    tolerance_mm: float,
    spacing: NDArray[np.float64],
) -> float:
    """Share of both surfaces within `tolerance_mm` of the other (Nikolov et al., 2018)."""
    limit = tolerance_mm + slack_mm(spacing)
    return float(((there <= limit).sum() + (back <= limit).sum()) / (len(there) + len(back)))


def hausdorff_95(there: NDArray[np.float64], back: NDArray[np.float64]) -> float:
    """The larger of the two directed 95th percentiles, mm."""
    return max(_percentile_95(there), _percentile_95(back))


def _percentile_95(distances: NDArray[np.float64]) -> float:
    """Infinite where it lies between a finite and an infinite distance."""
    finite = np.isfinite(distances)
    if not finite.all() and 0.95 * (len(distances) - 1) > finite.sum() - 1:
        return float("inf")
    return float(np.percentile(np.where(finite, distances, np.finfo(np.float64).max), 95))


def _nearest(
    source: NDArray[np.int64], target: NDArray[np.int64], frame: Frame, spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    distance = np.zeros(len(source))
    away = ~np.isin(source, target, assume_unique=True)
    if away.any():
        tree = cKDTree(frame.coordinates(target) * spacing, balanced_tree=False)
        distance[away] = tree.query(frame.coordinates(source[away]) * spacing)[0]
    return distance
