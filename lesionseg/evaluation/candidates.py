"""Scored candidates matched once, so that every score threshold can be judged without matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation.matching import match_masks
from lesionseg.settings.defaults import CONNECTIVITY


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates of one scan and what each of them hits.

    ids, score, volume_mm3: (P,) by candidate. owner: (P,) the id of the reference lesion it is
    assigned to, 0 for none. overlap_mm3: (P,) mm3 shared with that lesion.
    reference_ids, reference_mm3: (R,) by reference lesion.
    pair_candidate, pair_reference: (M,) positions of the lesions that share a voxel.
    pair_iou: (M,).
    """

    ids: NDArray[np.int32]
    score: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]
    owner: NDArray[np.int32]
    overlap_mm3: NDArray[np.float64]
    reference_ids: NDArray[np.int32]
    reference_mm3: NDArray[np.float64]
    pair_candidate: NDArray[np.int64]
    pair_reference: NDArray[np.int64]
    pair_iou: NDArray[np.float64]


def match_candidates(
    reference: NDArray[Any],
    candidates: NDArray[Any],
    scores: Mapping[int, float],
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    connectivity: int = CONNECTIVITY,
    reference_instances: bool | None = None,
    voxel_mm3: float | None = None,
    ignored: NDArray[np.bool_] | None = None,
    first_id: int = 1,
) -> Candidates:
    """Match the candidate lesions of one scan to its reference lesions.

    reference: (X, Y, Z) binary or ids. candidates: (X, Y, Z) ids of all candidates, whatever their
    score. scores: by candidate id; every id of `candidates` needs one. voxel_mm3, ignored: as in
    `match_masks`. first_id: of the components of the reference.
    Raises ValueError where an id has no finite score, and as `match_masks` does.
    """
    matched = match_masks(
        reference,
        candidates,
        spacing,
        connectivity=connectivity,
        reference_instances=reference_instances,
        prediction_instances=True,
        voxel_mm3=voxel_mm3,
        ignored=ignored,
        first_ids=(first_id, 1),
    )
    ids = matched.prediction.ids
    score = np.array([scores.get(int(i), np.nan) for i in ids], dtype=np.float64)
    if not np.isfinite(score).all():
        raise ValueError(
            f"candidate {ids[~np.isfinite(score)][0]} has no finite score; every id needs one"
        )
    owner = np.append(matched.reference.ids, np.int32(0))[matched.assignment.reference]
    reference_mm3, volume_mm3 = matched.volumes_mm3
    return Candidates(
        ids=ids,
        score=score,
        volume_mm3=volume_mm3,
        owner=owner,
        overlap_mm3=(matched.assignment.overlap * matched.voxel_mm3).astype(np.float64),
        reference_ids=matched.reference.ids,
        reference_mm3=reference_mm3,
        pair_candidate=matched.overlaps.prediction,
        pair_reference=matched.overlaps.reference,
        pair_iou=matched.overlaps.iou,
    )


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """The candidates of all classes of one scan, each of which hits lesions of its own class alone.

    Ids of reference lesions are of one class only, those of candidates too.
    """
    ends = np.cumsum([[0, 0], *([len(p.ids), len(p.reference_ids)] for p in parts)], axis=0)
    reference_ids = np.concatenate([p.reference_ids for p in parts])
    order = np.argsort(reference_ids, kind="stable")
    place = np.argsort(order, kind="stable")

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(p, name) for p in parts])

    starts = list(zip(parts, ends.tolist()))
    return Candidates(
        **{name: joined(name) for name in ("ids", "score", "volume_mm3", "owner", "overlap_mm3")},
        reference_ids=reference_ids[order],
        reference_mm3=joined("reference_mm3")[order],
        pair_candidate=np.concatenate([p.pair_candidate + c for p, (c, _) in starts]),
        pair_reference=place[np.concatenate([p.pair_reference + r for p, (_, r) in starts])],
        pair_iou=joined("pair_iou"),
    )
