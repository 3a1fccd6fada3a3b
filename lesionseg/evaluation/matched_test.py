"""The permutation test of two models at one number of false positives a scan.

Models are swapped within patients, and each swap finds thresholds anew, as each model's own were
found on these scans. So that candidates of two models can stand in one order, each has the number
of its own model's false positives that score as high or higher, instead of its score.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.froc import Events, score_events
from lesionseg.evaluation.paired import share_as_extreme, swaps
from lesionseg.slack import RATIO_SLACK

CHUNK = 100  # swaps at a time, so that memory stays small


@dataclass(frozen=True, eq=False)
class _Placed:
    """Events in one order over both models. place: (E,) false positives up to there.

    owner: (E,) number of the patient, that of the second model's patients after all of the first's.
    change: (E,) found lesions.
    """

    place: NDArray[np.int64]
    owner: NDArray[np.int64]
    change: NDArray[np.int64]


def matched_p_values(
    first: Sequence[Sequence[Candidates]],
    second: Sequence[Sequence[Candidates]],
    who: NDArray[np.int64],
    matched_at: float,
    limits: Sequence[tuple[float, float]],
    *,
    found_iou: float,
    draws: int,
    seed: int,
) -> list[float]:
    """Two-sided p-value of the difference in recall, for lesions within each of `limits` in mm3.

    first, second: of each seed, (scans,) of the same scans. who: (scans,) patient of each, from 0.
    draws: swaps, where there are too many patients to try them all. The difference is the mean over
    all pairs of a seed of the one and a seed of the other; a swap is of all of them. p is NaN where
    there is no lesion.
    """
    num_patients, most = int(who.max()) + 1, matched_at * len(who) * (1 + RATIO_SLACK)
    events = [
        [
            [score_events(s, found_iou=found_iou, volume_range_mm3=size) for size in limits]
            for s in m
        ]
        for m in (first, second)
    ]
    pairs = []
    for one, other in itertools.product(*events):
        false = _merged((one[0], other[0]), who, num_patients, of_false=True)
        hits = [_merged(same, who, num_patients, of_false=False) for same in zip(one, other)]
        pairs.append((false, hits))
    swapped, exact = swaps(num_patients, draws, seed)
    as_is = np.zeros((1, num_patients))
    (observed,) = _differences(as_is, pairs, most)
    found = np.concatenate(
        [
            _differences(swapped[start : start + CHUNK], pairs, most)
            for start in range(0, len(swapped), CHUNK)
        ]
    )
    return [
        share_as_extreme(np.abs(column), abs(value), exact)
        if sized.num_reference.sum()
        else float("nan")
        for column, value, sized in zip(found.T, observed, events[0][0])
    ]


def _merged(
    pair: Sequence[Events], who: NDArray[np.int64], num_patients: int, *, of_false: bool
) -> _Placed:
    """The false positives of both models, or their found lesions, in order of place."""
    places, owners, changes = [], [], []
    for model, events in enumerate(pair):
        falling = np.sort(-events.score[events.false_positive > 0])
        mine = events.false_positive > 0 if of_false else events.found != 0
        places.append(np.searchsorted(falling, -events.score[mine], side="right"))
        owners.append(who[events.scan[mine]] + model * num_patients)
        changes.append(events.found[mine])
    order = np.argsort(np.concatenate(places), kind="stable")
    return _Placed(*(np.concatenate(part)[order] for part in (places, owners, changes)))


def _differences(
    swapped: NDArray[np.float64], pairs: Sequence[tuple[_Placed, Sequence[_Placed]]], most: float
) -> NDArray[np.float64]:
    """Lesions found by the one less the other, (swaps, sizes), each at its own threshold.

    swapped: (swaps, patients), 1 where a patient's models are swapped. pairs: of each pair of
    seeds, false positives, and found lesions by size. most: false positives that may be kept.
    """
    one = np.concatenate([1 - swapped, swapped], axis=1)
    total = np.zeros((len(one), len(pairs[0][1])))
    for false, hits in pairs:
        total += _found(one, false, hits, most) - _found(1 - one, false, hits, most)
    return total


def _found(
    used: NDArray[np.float64], false: _Placed, hits: Sequence[_Placed], most: float
) -> NDArray[np.float64]:
    beyond = np.cumsum(used[:, false.owner], axis=1) > most
    last = np.append(false.place, np.iinfo(np.int64).max)
    first_left_out = np.where(beyond.any(axis=1), beyond.argmax(axis=1), len(false.place))
    limit = last[first_left_out][:, None]
    return np.stack(
        [(used[:, hit.owner] * hit.change * (hit.place[None] < limit)).sum(axis=1) for hit in hits],
        axis=1,
    )
