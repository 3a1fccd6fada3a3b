"""Choose the two thresholds on validation, by one rule for every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation import Candidates
from lesionseg.evaluation.froc import ends_of_runs, score_events
from lesionseg.inference.false_discoveries import bounded_threshold
from lesionseg.inference.score_calibration import calibrated, fit_calibration
from lesionseg.settings.threshold_rule import (
    FALSE_DISCOVERIES,
    FIXED_BUDGET,
    LEAST_RECALL,
    MAX_F1,
    ThresholdRule,
)
from lesionseg.slack import RATIO_SLACK
from lesionseg.structures import Knots, OperatingPoint

VOXEL_THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
HIT_IOU = 0.1
KEPT = 0.5  # both thresholds where none can be chosen


@dataclass(frozen=True)
class Counts:
    """Counts over all scans at a pair of thresholds.

    found: lesions at IoU >= HIT_IOU with the union of their predictions, dice: the sum of their
    Dice with it. false_positives: predictions that share no voxel with a lesion.
    """

    found: int = 0
    dice: float = 0.0
    false_positives: int = 0
    lesions: int = 0

    @property
    def f1(self) -> float:
        return 2 * self.found / max(self.found + self.false_positives + self.lesions, 1)

    @property
    def quality(self) -> float:
        """Lesion F1 times the mean Dice of the lesions found: panoptic quality, in Dice."""
        return 2 * self.dice / max(self.found + self.false_positives + self.lesions, 1)


@dataclass(frozen=True)
class Choice:
    """The operating point, on the network's own scores, and what it scored on validation.

    rule: in words. problem: why there is no choice and both thresholds are KEPT; else empty.
    of_all: why the thresholds are those of all classes together; else empty. calibration: of the
    scores at its voxel threshold. recall: None where
    there is no lesion.
    """

    point: OperatingPoint
    quality: float
    f1: float
    recall: float | None
    fp_per_scan: float
    num_cases: int
    num_lesions: int
    rule: str
    problem: str = ""
    of_all: str = ""
    calibration: Knots = ()

    @property
    def told(self) -> OperatingPoint:
        """The point on the scale of calibrated scores, as a model keeps it."""
        threshold = float(calibrated(self.point.score_threshold, self.calibration))
        return OperatingPoint(self.point.voxel_threshold, threshold, self.calibration)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @property
    def words(self) -> str:
        """What was chosen and what it scored, in a line."""
        recall = "-" if self.recall is None else f"{self.recall:.2f}"
        rate = f"{self.fp_per_scan:.1f} false positives a scan"
        if self.problem:
            return f"{self.problem}; {KEPT} kept; recall {recall}, {rate}"
        return f"recall {recall} at {rate}{f' ({self.of_all})' if self.of_all else ''}"


@dataclass(frozen=True, eq=False)
class _Curve:
    """Sums over all scans at every score that a candidate has, the highest first, each (T,)."""

    voxel_threshold: float
    score: NDArray[np.float64]
    found: NDArray[np.int64]
    dice: NDArray[np.float64]
    false_positives: NDArray[np.int64]
    lesions: int

    def counts(self, i: int) -> Counts:
        """Those of one score."""
        return Counts(
            int(self.found[i]), float(self.dice[i]), int(self.false_positives[i]), self.lesions
        )

    def merit(self, i: int, kind: str) -> tuple[float, ...]:
        """What the best pair of thresholds has most of; rounding decides no tie."""
        counts = self.counts(i)
        first = counts.f1 if kind == MAX_F1 else counts.quality
        return round(first, 12), -counts.false_positives, self.voxel_threshold, self.score[i]


def best_choice(
    matched: Mapping[float, Sequence[Candidates]],
    rule: ThresholdRule,
    num_cases: int,
    patients: Sequence[str] = (),
) -> Choice:
    """The pair of thresholds that a rule chooses: every score that a candidate has is tried.

    matched: the candidates of all scans at each voxel threshold. patients: of each scan, for a
    bound on false discoveries, whose voxel threshold is KEPT. Of the score thresholds that fit a
    fixed budget of false positives the lowest is taken for each voxel threshold, of those that
    reach a recall the highest (where none does, of the most lesions found); then the pair of the
    best quality. Ties go to fewer false positives, then to higher thresholds. Where no lesion can
    be found, KEPT is returned for both, and `Choice.problem` says why.
    """
    num_lesions = sum(len(m.reference_ids) for m in matched[KEPT])
    curves = [_curve(voxel, candidates, num_lesions) for voxel, candidates in matched.items()]
    if rule.kind == FALSE_DISCOVERIES:
        score = bounded_threshold(matched[KEPT], patients, rule.value) if num_lesions else None
        best = None if score is None else OperatingPoint(KEPT, score)
    else:
        best = _best_point(curves, rule, num_cases)
    problem = "" if best else _problem(num_lesions, curves, rule)
    point = best or OperatingPoint(KEPT, KEPT)
    counts = count_at(matched[point.voxel_threshold], point.score_threshold)
    return Choice(
        point,
        counts.quality,
        counts.f1,
        counts.found / num_lesions if num_lesions else None,
        counts.false_positives / max(num_cases, 1),
        num_cases,
        num_lesions,
        f"{rule.words}, pooled over the validation cases; a lesion is found at IoU >= {HIT_IOU}, "
        "a prediction that shares no voxel with a lesion is a false positive",
        problem,
        calibration=fit_calibration(matched[point.voxel_threshold]),
    )


def _best_point(
    curves: Sequence[_Curve], rule: ThresholdRule, num_cases: int
) -> OperatingPoint | None:
    """Of the pairs that the rule admits the one of most merit; None where it admits none."""
    fitting = [(curve, i) for curve in curves for i in _fitting(curve, rule, num_cases, curves)]
    if not fitting:
        return None
    curve, i = max(fitting, key=lambda one: one[0].merit(one[1], rule.kind))
    return OperatingPoint(curve.voxel_threshold, float(curve.score[i]))


def _problem(num_lesions: int, curves: Sequence[_Curve], rule: ThresholdRule) -> str:
    if not num_lesions:
        return "validation holds no lesion: thresholds not chosen"
    if not any(curve.found.any() for curve in curves):
        return "no threshold finds a lesion"
    if rule.kind == FALSE_DISCOVERIES:
        return f"no threshold keeps false lesions at {100 * rule.value:g} % or below"
    return f"no threshold finds a lesion at {rule.value:g} false positives a scan"


def _fitting(
    curve: _Curve, rule: ThresholdRule, num_cases: int, curves: Sequence[_Curve]
) -> list[int]:
    """Where on a curve the rule admits the score threshold and any lesion is found.

    Of a fixed budget the lowest score, of a recall the highest; where none of all `curves` reaches
    the recall, that of the most lesions found.
    """
    at = np.flatnonzero(curve.found)
    if rule.kind == FIXED_BUDGET:
        most = rule.value * num_cases * (1 + RATIO_SLACK)
        at = np.flatnonzero(curve.false_positives <= most)[-1:]
    elif rule.kind == LEAST_RECALL:
        reached = max(int(other.found.max(initial=0)) for other in curves)
        least = min(rule.value * curve.lesions * (1 - RATIO_SLACK), reached)
        at = np.flatnonzero(curve.found >= least)[:1]
    elif len(at):
        at = _best_of_each_count(curve, at)
    return [int(i) for i in at if curve.found[i]]


def _best_of_each_count(curve: _Curve, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the scores at which nothing but false positives is added, the first: no other is best."""
    moved = np.diff(curve.dice[at], prepend=np.inf) != 0
    moved |= np.diff(curve.found[at], prepend=-1) != 0
    kept: NDArray[np.int64] = at[moved]
    return kept


def _curve(voxel_threshold: float, candidates: Sequence[Candidates], lesions: int) -> _Curve:
    events = score_events(candidates, found_iou=HIT_IOU)
    last = np.flatnonzero(ends_of_runs(events.score))
    return _Curve(
        voxel_threshold,
        score=events.score[last],
        found=np.cumsum(events.found)[last],
        dice=np.cumsum(events.dice)[last],
        false_positives=np.cumsum(events.false_positive)[last],
        lesions=lesions,
    )


def count_at(candidates: Sequence[Candidates], score_threshold: float) -> Counts:
    """The counts when the candidates below `score_threshold` are dropped."""
    events = score_events(candidates, found_iou=HIT_IOU)
    kept = events.score >= score_threshold
    return Counts(
        found=int(events.found[kept].sum()),
        dice=float(events.dice[kept].sum()),
        false_positives=int(events.false_positive[kept].sum()),
        lesions=int(events.num_reference.sum()),
    )
