"""Choose the two thresholds on validation, by one rule for every model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation import Candidates, match_candidates
from lesionseg.inference.lesion_maps import lesions_at, predict_lesion_map
from lesionseg.models.interface import Network
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, LesionMap, OperatingPoint

VOXEL_THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NUM_SCORE_THRESHOLDS = 60
HIT_IOU = 0.1


@dataclass(frozen=True)
class Counts:
    """Counts of one scan at a score threshold; they add up over scans.

    found: lesions at IoU >= HIT_IOU with the union of their predictions, dice: the sum of their
    Dice with it. false_positives: predictions that share no voxel with a lesion.
    """

    found: int = 0
    dice: float = 0.0
    false_positives: int = 0
    lesions: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.found + other.found,
            self.dice + other.dice,
            self.false_positives + other.false_positives,
            self.lesions + other.lesions,
        )

    @property
    def f1(self) -> float:
        return 2 * self.found / max(self.found + self.false_positives + self.lesions, 1)

    @property
    def quality(self) -> float:
        """Lesion F1 times the mean Dice of the lesions found: panoptic quality, in Dice."""
        return 2 * self.dice / max(self.found + self.false_positives + self.lesions, 1)


@dataclass(frozen=True)
class Choice:
    """The operating point and what it scored on validation; `rule` says it in words."""

    point: OperatingPoint
    quality: float
    f1: float
    recall: float
    fp_per_scan: float
    num_cases: int
    num_lesions: int
    rule: str = (
        "highest product of lesion F1 and mean Dice of the lesions found, pooled over the "
        f"validation cases; a lesion is found at IoU >= {HIT_IOU}, "
        "a prediction that shares no voxel with a lesion is a false positive"
    )

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def choose_operating_point(
    scans: Iterable[tuple[LesionMap, NDArray[np.int32]]],
) -> Choice:
    """Search voxel and score thresholds for the best detection and delineation on validation.

    scans: a map and the lesion ids on its grid, one pair a validation case, taken one at a time.
    Ties go to fewer false positives, then to higher thresholds. Where no threshold finds any
    lesion, 0.5 and 0.5 are returned with quality 0.
    """
    matched: dict[float, list[Candidates]] = {t: [] for t in VOXEL_THRESHOLDS}
    for lesion_map, ids in scans:
        for voxel_threshold, candidates in matched.items():
            found, scores = lesions_at(lesion_map.probability, voxel_threshold, lesion_map)
            candidates.append(match_candidates(ids, found, scores, reference_instances=True))
    num_cases = len(matched[VOXEL_THRESHOLDS[0]])
    num_lesions = sum(len(m.reference_ids) for m in matched[VOXEL_THRESHOLDS[0]])
    best = Choice(OperatingPoint(0.5, 0.5), 0.0, 0.0, 0.0, 0.0, num_cases, num_lesions)
    for voxel_threshold, candidates in matched.items():
        for score_threshold in _score_thresholds(candidates):
            counts = sum((count_at(m, score_threshold) for m in candidates), Counts())
            fp_per_scan = counts.false_positives / max(num_cases, 1)
            if counts.found and (counts.quality, -fp_per_scan) >= (best.quality, -best.fp_per_scan):
                best = Choice(
                    OperatingPoint(voxel_threshold, float(score_threshold)),
                    counts.quality,
                    counts.f1,
                    counts.found / max(counts.lesions, 1),
                    fp_per_scan,
                    num_cases,
                    num_lesions,
                )
    return best


def count_case(model: Network, case: Case, rule: SlabRule) -> dict[str, int]:
    """Lesions, lesions found and false positives of one whole case, at thresholds of 0.5."""
    assert case.lesion_ids is not None
    device = next(model.parameters()).device
    lesion_map = predict_lesion_map(model, case, rule, device)
    ids, scores = lesions_at(lesion_map.probability, 0.5, lesion_map)
    matched = match_candidates(case.lesion_ids[:], ids, scores, reference_instances=True)
    counts = count_at(matched, 0.5)
    return {
        "num_reference": counts.lesions,
        "num_found": counts.found,
        "num_false_positive": counts.false_positives,
    }


def _score_thresholds(matched: Sequence[Candidates]) -> NDArray[np.float64]:
    scores = np.concatenate([m.score for m in matched]) if matched else np.zeros(0)
    if len(scores) == 0:
        return np.zeros(0)
    return np.unique(np.quantile(scores, np.linspace(0, 1, NUM_SCORE_THRESHOLDS), method="lower"))


def count_at(matched: Candidates, score_threshold: float) -> Counts:
    """One scan's counts when the candidates below `score_threshold` are dropped."""
    kept = matched.score >= score_threshold
    hits = kept & (matched.owner > 0)
    row = np.searchsorted(matched.reference_ids, matched.owner[hits])
    num = len(matched.reference_ids)
    overlap = np.bincount(row, weights=matched.overlap_mm3[hits], minlength=num)
    volume = np.bincount(row, weights=matched.volume_mm3[hits], minlength=num)
    total = matched.reference_mm3 + volume
    found = (overlap > 0) & (overlap >= HIT_IOU * (total - overlap))
    return Counts(
        found=int(found.sum()),
        dice=float((2 * overlap[found] / total[found]).sum()),
        false_positives=int((kept & (matched.owner == 0)).sum()),
        lesions=num,
    )
