"""The metrics of each reference lesion, (R,) from one matched case."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation.matching import Matched
from lesionseg.evaluation.regions import region_dice
from lesionseg.evaluation.sparse_lesions import Frame, Lesions


def lesion_dice(matched: Matched) -> NDArray[np.float64]:
    """Dice of each reference lesion with the union of the predictions assigned to it."""
    given = matched.assignment
    total = matched.reference.sizes + given.assigned_size
    dice: NDArray[np.float64] = 2 * given.assigned_overlap / total
    return dice


def dice_in_region(matched: Matched) -> NDArray[np.float64]:
    """Dice inside each reference lesion's region, as `regions.region_dice` defines it."""
    truth = matched.reference
    shared = np.bincount(matched.overlaps.shared_reference, minlength=len(truth))
    return region_dice(truth, matched.prediction, shared, matched.frame, matched.spacing_mm)


def half_voxel_ceiling(matched: Matched) -> NDArray[np.float64]:
    """Dice of each reference lesion with itself shifted by half a voxel."""
    return half_voxel_dice(matched.reference, matched.frame)


def half_voxel_dice(lesions: Lesions, frame: Frame) -> NDArray[np.float64]:
    """Dice of each lesion with itself shifted by half a voxel along one axis; mean of three axes.

    With voxels as boxes, a lesion of n voxels of which m have their next neighbour along the axis
    in the same lesion shares (n + m) / 2 with its shifted self. Outlines of annotators differ by at
    least that: it is the ceiling that annotation noise sets for a lesion of this size and shape.
    """
    shared = np.zeros(len(lesions))
    for step in frame.steps:
        at = np.searchsorted(lesions.flat, lesions.flat + step)
        at[at == len(lesions.flat)] = 0
        same = (lesions.flat[at] == lesions.flat + step) & (lesions.index[at] == lesions.index)
        shared += (lesions.sizes + np.bincount(lesions.index[same], minlength=len(lesions))) / 2
    return shared / 3 / lesions.sizes
