"""Sensitivity against false positives a scan over all score thresholds, and average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesionseg.evaluation.candidates import Candidates
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.slack import RATIO_SLACK, reaches

FROC_TARGETS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, eq=False)
class Events:
    """What lowering the score threshold changes, over all scans, in order of falling score.

    score: (E,). found: (E,) +1 where a reference lesion of the size asked for is found at this
    score, -1 where a further prediction spoils its IoU. dice: (E,) change of the sum of Dice over
    found lesions. false_positive: (E,) 1 or 0. scan: (E,).
    num_reference: (S,) lesions of the size asked for, by scan.
    """

    score: NDArray[np.float64]
    found: NDArray[np.int64]
    dice: NDArray[np.float64]
    false_positive: NDArray[np.int64]
    scan: NDArray[np.int64]
    num_reference: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OperatingCurve:
    """Counts and rates when every candidate with at least this score is kept, best score first.

    threshold: (T,) falling; the first is infinite and keeps nothing. precision and f1 count the
    false positives of every size. recall is NaN where there is no reference lesion.
    """

    threshold: NDArray[np.float64]
    num_found: NDArray[np.int64]
    num_false_positive: NDArray[np.int64]
    num_reference: int
    num_scans: int

    @property
    def recall(self) -> NDArray[np.float64]:
        return _divide(self.num_found, self.num_reference)

    @property
    def fp_per_scan(self) -> NDArray[np.float64]:
        return _divide(self.num_false_positive, self.num_scans)

    @property
    def precision(self) -> NDArray[np.float64]:
        return _divide(self.num_found, self.num_found + self.num_false_positive)

    @property
    def f1(self) -> NDArray[np.float64]:
        return _divide(
            2 * self.num_found, self.num_found + self.num_reference + self.num_false_positive
        )


def score_events(
    scans: Sequence[Candidates],
    *,
    found_iou: float = FOUND_IOU,
    volume_range_mm3: tuple[float, float] = (0.0, np.inf),
) -> Events:
    """Order all candidates of all scans by score and note what each changes.

    A reference lesion is found at a threshold when its IoU with the union of the candidates
    assigned to it, at or above the threshold, reaches `found_iou` (0: any overlap).
    `volume_range_mm3` [low, high) filters the reference lesions by size, never the predictions: a
    candidate on a lesion of another size is neither a hit nor a false positive.
    """
    parts = [_scan_events(scan, found_iou, volume_range_mm3) for scan in scans]
    score = np.concatenate([np.zeros(0), *(p[0] for p in parts)])
    found = np.concatenate([np.zeros(0, np.int64), *(p[1] for p in parts)])
    dice = np.concatenate([np.zeros(0), *(p[2] for p in parts)])
    false_positive = np.concatenate([np.zeros(0, np.int64), *(p[3] for p in parts)])
    which = np.repeat(np.arange(len(scans)), [len(p[0]) for p in parts])
    order = np.argsort(-score, kind="stable")
    num_reference = np.array([p[4] for p in parts], dtype=np.int64)
    return Events(
        score[order], found[order], dice[order], false_positive[order], which[order], num_reference
    )


def _scan_events(
    scan: Candidates, found_iou: float, volume_range_mm3: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], int]:
    order = np.lexsort((-scan.score, scan.owner))
    owner, score = scan.owner[order], scan.score[order]
    low, high = volume_range_mm3
    wanted = reaches(scan.reference_mm3, low) & ~reaches(scan.reference_mm3, high)
    state = np.zeros(len(order), dtype=np.int64)
    dice = np.zeros(len(order))
    hit = owner > 0
    first = (
        np.flatnonzero(np.append(True, owner[1:] != owner[:-1])) if len(owner) else np.zeros(0, int)
    )
    if hit.any():
        group = np.cumsum(np.isin(np.arange(len(owner)), first)) - 1
        overlap = _running(scan.overlap_mm3[order], first, group)
        volume = _running(scan.volume_mm3[order], first, group)
        position = np.searchsorted(scan.reference_ids, owner[hit])
        total = scan.reference_mm3[position] + volume[hit]
        union = total - overlap[hit]
        dice[hit] = 2 * overlap[hit] / total
        state[hit] = (overlap[hit] / union >= found_iou * (1 - RATIO_SLACK)) & wanted[position]
    # Of candidates with equal score on one lesion only the last counts: a threshold keeps them all.
    dice *= state
    before, dice_before = np.append(0, state[:-1]), np.append(0.0, dice[:-1])
    before[first], dice_before[first] = 0, 0.0
    false_positive = (~hit).astype(np.int64)
    return score, state - before, dice - dice_before, false_positive, int(wanted.sum())


def _running(
    values: NDArray[np.float64], first: NDArray[np.int64], group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cumulative sum that starts anew at each position in `first`."""
    total = np.cumsum(values)
    return total - (total[first] - values[first])[group]


def operating_curve(
    scans: Sequence[Candidates],
    *,
    found_iou: float = FOUND_IOU,
    volume_range_mm3: tuple[float, float] = (0.0, np.inf),
) -> OperatingCurve:
    """Recall, false positives a scan, precision and F1 at every score threshold, pooled over scans.

    `scans` includes those without lesions. The arguments are those of `score_events`.
    """
    return curve_of(score_events(scans, found_iou=found_iou, volume_range_mm3=volume_range_mm3))


def curve_of(events: Events) -> OperatingCurve:
    """The curve of events in order of falling score."""
    keep = np.flatnonzero(ends_of_runs(events.score))
    return OperatingCurve(
        threshold=np.append(np.inf, events.score[keep]),
        num_found=np.append(0, np.cumsum(events.found)[keep]),
        num_false_positive=np.append(0, np.cumsum(events.false_positive)[keep]),
        num_reference=int(events.num_reference.sum()),
        num_scans=len(events.num_reference),
    )


def recall_at(
    curve: OperatingCurve, fp_per_scan: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and score threshold at the given false positives a scan.

    Nothing is interpolated: each is read at the last measured threshold, coming down, whose false
    positives a scan do not exceed the target. A curve that ends before the target gives its end.
    """
    targets = np.atleast_1d(np.asarray(fp_per_scan, dtype=np.float64))
    at = np.searchsorted(curve.fp_per_scan, targets * (1 + RATIO_SLACK), side="right") - 1
    return curve.recall[at], curve.threshold[at]


def average_precision(scans: Sequence[Candidates], iou: float) -> float:
    """Area under the precision-recall curve at an IoU threshold, pooled over scans.

    As in COCO detection, best score first, a candidate is matched to the free reference lesion with
    the largest IoU at or above `iou`, else it is a false positive; precision is made monotone and
    all its steps are summed. NaN where there is no reference lesion.
    """
    return float(average_precision_draws(scans, iou, np.ones((1, len(scans))))[0])


def average_precision_draws(
    scans: Sequence[Candidates], iou: float, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """average_precision where scan s counts weights[d, s] times: (draws,) of (draws, S)."""
    num_reference = weights @ np.array([len(scan.reference_ids) for scan in scans], np.float64)
    score = np.concatenate([np.zeros(0), *(scan.score for scan in scans)])
    hit = np.concatenate([np.zeros(0, bool), *(_greedy_hits(scan, iou) for scan in scans)])
    which = np.repeat(np.arange(len(scans)), [len(scan.ids) for scan in scans])
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(ends_of_runs(score[order]))
    found = np.full(len(weights), np.nan)
    for draw in np.flatnonzero(num_reference):
        by_event = weights[draw, which[order]]
        true_positive = np.cumsum(by_event * hit[order])[last]
        kept = np.cumsum(by_event)[last]
        precision = np.divide(true_positive, kept, out=np.zeros_like(kept), where=kept > 0)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        steps = np.diff(true_positive / num_reference[draw], prepend=0.0)
        found[draw] = (steps * envelope).sum()
    return found


def _greedy_hits(scan: Candidates, iou: float) -> NDArray[np.bool_]:
    hit = np.zeros(len(scan.ids), dtype=bool)
    taken = np.zeros(len(scan.reference_ids), dtype=bool)
    good = np.flatnonzero(scan.pair_iou >= iou * (1 - RATIO_SLACK))
    order = np.lexsort(
        (scan.pair_reference[good], -scan.pair_iou[good], -scan.score[scan.pair_candidate[good]])
    )
    for pair in good[order]:
        candidate, reference = scan.pair_candidate[pair], scan.pair_reference[pair]
        if not hit[candidate] and not taken[reference]:
            hit[candidate] = taken[reference] = True
    return hit


def ends_of_runs(score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a run of equal scores ends."""
    return np.append(score[1:] != score[:-1], np.ones(min(len(score), 1), dtype=bool))


def _divide(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)
