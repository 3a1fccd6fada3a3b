"""The tables of one case: rows of reference lesions and false positives, and of predictions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.matching import ONE_TO_ONE, Matched, match_one_to_one
from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.sparse_lesions import Frame, Lesions
from lesionseg.size_buckets import SizeBuckets, diameter_mm
from lesionseg.slack import RATIO_SLACK

NAN = float("nan")
TEXT = ("kind", "bucket", "prediction_ids")
FIRST_COLUMNS = (
    *("kind", "lesion_id", "volume_mm3", "diameter_mm", "bucket", "found"),
    *("lesion_dice", "region_dice", "iou", "prediction_ids", "score"),
    *("centroid_r_mm", "centroid_a_mm", "centroid_s_mm"),
)


def lesion_rows(
    matched: Matched,
    buckets: SizeBuckets,
    scores: NDArray[np.float64],
    affine: NDArray[np.float64],
    found_iou: float,
) -> pd.DataFrame:
    """One row per reference lesion, then one per false positive.

    Columns: FIRST_COLUMNS, then those of further metrics of lesions, NaN for false positives.
    scores: (P,) by predicted lesion, NaN where unknown. affine: (4, 4) voxel index to mm.
    """
    reference = _reference_rows(matched, buckets, scores, found_iou)
    false_positives = _false_positive_rows(matched, buckets, scores)
    for rows, lesions, chosen in (
        (reference, matched.reference, slice(None)),
        (false_positives, matched.prediction, matched.false_positive),
    ):
        centres = centroids(lesions, matched.frame)[chosen] @ affine[:3, :3].T + affine[:3, 3]
        for axis, name in enumerate("ras"):
            rows[f"centroid_{name}_mm"] = centres[:, axis]
    for metric in METRICS.values():
        if metric.of_lesions is not None:
            reference[metric.key] = metric.of_lesions(matched)
            false_positives[metric.key] = np.full(int(matched.false_positive.sum()), NAN)
    order = dict.fromkeys((*FIRST_COLUMNS, *reference))
    columns = {c: np.concatenate([reference[c], false_positives[c]]) for c in order}
    return pd.DataFrame({c: v.astype(object) if c in TEXT else v for c, v in columns.items()})


def prediction_rows(
    matched: Matched,
    buckets: SizeBuckets,
    scores: NDArray[np.float64],
    lesions: pd.DataFrame,
) -> pd.DataFrame:
    """One row per predicted lesion: whose it is (lesion_id 0 = false positive) and its partners.

    lesions: the rows of `lesion_rows`. finds_nothing: it is assigned to a reference lesion that is
    not found.
    """
    found = lesions.loc[lesions["kind"] == "reference", "found"].to_numpy(bool)
    owner = matched.assignment.reference
    volume = matched.prediction.sizes * matched.voxel_mm3
    ids = np.append(matched.reference.ids, np.int32(0))  # index -1 reads 0: no reference lesion
    rows: dict[str, Any] = {
        "prediction_id": matched.prediction.ids,
        "volume_mm3": volume,
        "bucket": buckets.assign(volume),
        "score": scores,
        "lesion_id": ids[owner],
        "finds_nothing": (owner >= 0) & ~np.append(found, True)[owner],
        "overlap_mm3": matched.assignment.overlap * matched.voxel_mm3,
    }
    for name, threshold in ONE_TO_ONE.items():
        partner, iou = match_one_to_one(matched, threshold)
        rows[f"match_{name}"], rows[name] = ids[partner], iou
    return pd.DataFrame(rows)


def _reference_rows(
    matched: Matched, buckets: SizeBuckets, scores: NDArray[np.float64], found_iou: float
) -> dict[str, Any]:
    truth, given = matched.reference, matched.assignment
    volume = truth.sizes * matched.voxel_mm3
    total = truth.sizes + given.assigned_size
    iou = given.assigned_overlap / (total - given.assigned_overlap)
    by_owner = np.argsort(given.reference, kind="stable")
    cuts = np.searchsorted(given.reference[by_owner], np.arange(len(truth) + 1))
    assigned = [by_owner[a:b] for a, b in itertools.pairwise(cuts)]
    best = [np.fmax.reduce(scores[a], initial=NAN) for a in assigned]
    return {
        "kind": np.full(len(truth), "reference", dtype=object),
        "lesion_id": truth.ids,
        "volume_mm3": volume,
        "diameter_mm": diameter_mm(volume),
        "bucket": buckets.assign(volume),
        "found": (given.assigned_overlap > 0) & (iou >= found_iou * (1 - RATIO_SLACK)),
        "iou": iou,
        "prediction_ids": np.array(
            [" ".join(map(str, matched.prediction.ids[a])) for a in assigned], dtype=object
        ),
        "score": np.array(best, dtype=np.float64),
    }


def _false_positive_rows(
    matched: Matched, buckets: SizeBuckets, scores: NDArray[np.float64]
) -> dict[str, Any]:
    ids = matched.prediction.ids[matched.false_positive]
    volume = matched.prediction.sizes[matched.false_positive] * matched.voxel_mm3
    return {
        "kind": np.full(len(ids), "false_positive", dtype=object),
        "lesion_id": ids,
        "volume_mm3": volume,
        "diameter_mm": diameter_mm(volume),
        "bucket": buckets.assign(volume),
        "found": np.zeros(len(ids), dtype=bool),
        "iou": np.full(len(ids), NAN),
        "prediction_ids": ids.astype(str).astype(object),
        "score": scores[matched.false_positive],
    }


def centroids(lesions: Lesions, frame: Frame) -> NDArray[np.float64]:
    """Mean voxel index of each lesion in the whole array, (L, 3)."""
    coordinates = frame.coordinates(lesions.flat)
    sums = [np.bincount(lesions.index, weights=c, minlength=len(lesions)) for c in coordinates.T]
    return np.stack(sums, axis=1) / lesions.sizes[:, None]
