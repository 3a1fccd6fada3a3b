"""Choose the two thresholds on validation, by one rule for every model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lesionseg.data.slabs import SlabRule
from lesionseg.evaluation import Candidates, match_candidates
from lesionseg.inference.lesion_maps import lesions_at, predict_lesion_map
from lesionseg.structures import Case, LesionMap, OperatingPoint

VOXEL_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NUM_SCORE_THRESHOLDS = 60
HIT_IOU = 0.1


@dataclass(frozen=True)
class Choice:
    """The operating point and what it scored on validation; `rule` says it in words."""

    point: OperatingPoint
    f1: float
    recall: float
    fp_per_scan: float
    num_cases: int
    num_lesions: int
    rule: str = (
        "highest lesion F1 pooled over the validation cases; "
        f"a lesion is found at IoU >= {HIT_IOU}, "
        "a prediction that shares no voxel with a lesion is a false positive"
    )

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def choose_operating_point(
    scans: Iterable[tuple[LesionMap, NDArray[np.int32]]],
) -> Choice:
    """Search voxel and score thresholds for the highest validation lesion F1.

    scans: a map and the lesion ids on its grid, one pair a validation case, taken one at a time.
    Ties go to fewer false positives. Where no threshold finds any lesion, 0.5 and 0.5 are returned
    with F1 0.
    """
    matched: dict[float, list[Candidates]] = {t: [] for t in VOXEL_THRESHOLDS}
    for lesion_map, ids in scans:
        for voxel_threshold, candidates in matched.items():
            found, scores = lesions_at(lesion_map.probability, voxel_threshold, lesion_map)
            candidates.append(match_candidates(ids, found, scores, reference_instances=True))
    num_cases = len(matched[VOXEL_THRESHOLDS[0]])
    num_lesions = sum(len(m.reference_ids) for m in matched[VOXEL_THRESHOLDS[0]])
    best = Choice(OperatingPoint(0.5, 0.5), 0.0, 0.0, 0.0, num_cases, num_lesions)
    for voxel_threshold, candidates in matched.items():
        for score_threshold in _score_thresholds(candidates):
            counts = np.sum([count_at(m, score_threshold) for m in candidates], axis=0)
            found_lesions, false_positives, lesions = (int(n) for n in counts)
            f1 = 2 * found_lesions / max(found_lesions + false_positives + lesions, 1)
            fp_per_scan = false_positives / max(num_cases, 1)
            if (f1, -fp_per_scan) > (best.f1, -best.fp_per_scan) and found_lesions:
                point = OperatingPoint(voxel_threshold, float(score_threshold))
                recall = found_lesions / max(lesions, 1)
                best = Choice(point, f1, recall, fp_per_scan, num_cases, num_lesions)
    return best


def count_case(model: nn.Module, case: Case, rule: SlabRule) -> dict[str, int]:
    """Lesions, lesions found and false positives of one whole case, at thresholds of 0.5."""
    assert case.lesion_ids is not None
    device = next(model.parameters()).device
    lesion_map = predict_lesion_map(model, case, rule, device)  # type: ignore[arg-type]
    ids, scores = lesions_at(lesion_map.probability, 0.5, lesion_map)
    matched = match_candidates(case.lesion_ids[:], ids, scores, reference_instances=True)
    found, false_positives, lesions = count_at(matched, 0.5)
    return {
        "num_reference": lesions,
        "num_found": found,
        "num_false_positive": false_positives,
    }


def _score_thresholds(matched: Sequence[Candidates]) -> NDArray[np.float64]:
    scores = np.concatenate([m.score for m in matched]) if matched else np.zeros(0)
    if len(scores) == 0:
        return np.zeros(0)
    return np.unique(np.quantile(scores, np.linspace(0, 1, NUM_SCORE_THRESHOLDS), method="lower"))


def count_at(matched: Candidates, score_threshold: float) -> tuple[int, int, int]:
    """(lesions found at IoU >= HIT_IOU, false positives, lesions) at a score threshold."""
    kept = matched.score >= score_threshold
    hits = kept & (matched.owner > 0)
    row = np.searchsorted(matched.reference_ids, matched.owner[hits])
    num = len(matched.reference_ids)
    overlap = np.bincount(row, weights=matched.overlap_mm3[hits], minlength=num)
    volume = np.bincount(row, weights=matched.volume_mm3[hits], minlength=num)
    union = matched.reference_mm3 + volume - overlap
    found = int((overlap >= HIT_IOU * union).sum()) if num else 0
    return found, int((kept & (matched.owner == 0)).sum()), num
