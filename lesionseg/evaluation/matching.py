"""Which predicted lesion belongs to which reference lesion: one pass over the shared voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation.sparse_lesions import (
    Frame,
    Lesions,
    checked_mask,
    common_frame,
    find_lesions,
    without_ignored,
)
from lesionseg.settings.defaults import CONNECTIVITY

ONE_TO_ONE = {"iou50": 0.5, "iou10": 0.1}  # column suffix and the IoU that a pair must exceed


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairs of lesions that share voxels.

    reference, prediction: (M,) lesion indices. voxels: (M,) how many are shared. iou: (M,).
    shared_flat: the shared voxels, shared_reference: the reference lesion of each.
    """

    reference: NDArray[np.int64]
    prediction: NDArray[np.int64]
    voxels: NDArray[np.int64]
    iou: NDArray[np.float64]
    shared_flat: NDArray[np.int64]
    shared_reference: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Assignment:
    """The reference lesion of each prediction, and what is assigned to each reference lesion.

    reference: (P,) reference index or -1. overlap: (P,) voxels shared with that reference lesion.
    assigned_overlap, assigned_size: (R,) summed over the assigned predictions, in voxels.
    """

    reference: NDArray[np.int64]
    overlap: NDArray[np.int64]
    assigned_overlap: NDArray[np.int64]
    assigned_size: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matched:
    """The lesions of both masks on one frame, their overlaps and the assignment.

    num_on_ignored: predicted lesions left out, as most of their voxels are ignored.
    """

    reference: Lesions
    prediction: Lesions
    overlaps: Overlaps
    assignment: Assignment
    frame: Frame
    spacing_mm: NDArray[np.float64]
    voxel_mm3: float
    num_on_ignored: int = 0

    @property
    def volumes_mm3(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Volume of each reference lesion, and of each predicted one."""
        return (
            (self.reference.sizes * self.voxel_mm3).astype(np.float64),
            (self.prediction.sizes * self.voxel_mm3).astype(np.float64),
        )

    @property
    def false_positive(self) -> NDArray[np.bool_]:
        """(P,) which predicted lesions share no voxel with a reference lesion."""
        return self.assignment.reference < 0


def match_masks(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing: Sequence[float],
    *,
    connectivity: int = CONNECTIVITY,
    reference_instances: bool | None = None,
    prediction_instances: bool | None = None,
    voxel_mm3: float | None = None,
    ignored: NDArray[np.bool_] | None = None,
    first_ids: tuple[int, int] = (1, 1),
) -> Matched:
    """Find the lesions of two masks (X, Y, Z) on one grid, and assign the predicted ones.

    The instances switches are those of `sparse_lesions.find_lesions`. voxel_mm3: the volume of a
    voxel where it is not the product of the spacing, on a sheared grid. ignored: (X, Y, Z) voxels
    that belong to no lesion; predicted lesions of which at least half lies there, and that touch no
    reference lesion, are left out whole.
    first_ids: of the components of the reference and of the prediction. Raises ValueError for
    shapes, spacings or ids that cannot be, TypeError for masks of floats.
    """
    reference, prediction = np.asarray(reference), np.asarray(prediction)
    reference = checked_mask(reference, "reference")
    prediction = checked_mask(prediction, "prediction")
    if reference.shape != prediction.shape:
        raise ValueError(
            f"reference has shape {reference.shape} and prediction {prediction.shape}; "
            "they must be on one grid"
        )
    if ignored is not None:
        if ignored.shape != reference.shape:
            shapes = f"ignored has shape {ignored.shape} and reference {reference.shape}"
            raise ValueError(f"{shapes}; they must be on one grid")
        reference = np.where(ignored, 0, reference)
    spacing_mm = np.asarray(spacing, dtype=np.float64)
    if spacing_mm.shape != (3,) or not (np.isfinite(spacing_mm).all() and (spacing_mm > 0).all()):
        raise ValueError(f"spacing is {spacing}; it must be three positive numbers of mm")
    frame = common_frame(reference, prediction)
    truth, found = (
        find_lesions(mask, frame, connectivity=connectivity, instances=instances, first_id=first_id)
        for mask, instances, first_id in (
            (reference, reference_instances, first_ids[0]),
            (prediction, prediction_instances, first_ids[1]),
        )
    )
    num_on_ignored = 0
    if ignored is not None:
        found, num_on_ignored = without_ignored(found, ignored, frame, truth)
    overlaps = find_overlaps(truth, found)
    return Matched(
        reference=truth,
        prediction=found,
        overlaps=overlaps,
        assignment=assign(truth, found, overlaps),
        frame=frame,
        spacing_mm=spacing_mm,
        voxel_mm3=float(np.prod(spacing_mm)) if voxel_mm3 is None else voxel_mm3,
        num_on_ignored=num_on_ignored,
    )


def find_overlaps(reference: Lesions, prediction: Lesions) -> Overlaps:
    """All pairs of lesions with a voxel in common. Both come from one frame."""
    at = np.searchsorted(prediction.flat, reference.flat)
    at[at == len(prediction.flat)] = 0
    shared = (
        prediction.flat[at] == reference.flat if len(prediction.flat) else np.zeros(len(at), bool)
    )
    r, p = reference.index[shared], prediction.index[at[shared]]
    pairs, voxels = np.unique(r * max(len(prediction), 1) + p, return_counts=True)
    pair_r, pair_p = np.divmod(pairs, max(len(prediction), 1))
    union = reference.sizes[pair_r] + prediction.sizes[pair_p] - voxels
    return Overlaps(pair_r, pair_p, voxels, voxels / union, reference.flat[shared], r)


def assign(reference: Lesions, prediction: Lesions, overlaps: Overlaps) -> Assignment:
    """Assign each predicted lesion to the reference lesion it shares most voxels with.

    Ties go to the larger IoU, then to the smaller id. One that shares none stays with -1.
    """
    # Last key first: by prediction, then most voxels, then largest IoU, then smallest reference id.
    order = np.lexsort((overlaps.reference, -overlaps.iou, -overlaps.voxels, overlaps.prediction))
    winners, first = np.unique(overlaps.prediction[order], return_index=True)
    chosen = order[first]
    owner = np.full(len(prediction), -1, dtype=np.int64)
    overlap = np.zeros(len(prediction), dtype=np.int64)
    owner[winners] = overlaps.reference[chosen]
    overlap[winners] = overlaps.voxels[chosen]
    has = owner >= 0
    assigned_overlap = np.zeros(len(reference), dtype=np.int64)
    assigned_size = np.zeros(len(reference), dtype=np.int64)
    np.add.at(assigned_overlap, owner[has], overlap[has])
    np.add.at(assigned_size, owner[has], prediction.sizes[has])
    return Assignment(owner, overlap, assigned_overlap, assigned_size)


def match_one_to_one(
    matched: Matched, iou_above: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pair lesions one to one, largest IoU first, as panoptic quality counts them.

    Returns (P,) reference index or -1, and (P,) IoU of the pair or 0. Above 0.5 the pairing is
    the only one possible (Kirillov et al., Panoptic Segmentation, 2019, section 4.1).
    """
    overlaps = matched.overlaps
    partner = np.full(len(matched.prediction), -1, dtype=np.int64)
    iou = np.zeros(len(matched.prediction))
    taken = np.zeros(len(matched.reference), dtype=bool)
    candidates = np.flatnonzero(overlaps.iou > iou_above)
    order = np.lexsort(
        (overlaps.prediction[candidates], overlaps.reference[candidates], -overlaps.iou[candidates])
    )
    for pair in candidates[order]:
        r, p = overlaps.reference[pair], overlaps.prediction[pair]
        if partner[p] < 0 and not taken[r]:
            partner[p], iou[p], taken[r] = r, overlaps.iou[pair], True
    return partner, iou
