"""Models compared at one number of false positives a scan, whatever thresholds their masks have."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.froc import curve_of, operating_curve, recall_at, score_events
from lesionseg.evaluation.froc_summary import recall_draws
from lesionseg.evaluation.matched_test import matched_p_values
from lesionseg.evaluation.metric import POOLED
from lesionseg.evaluation.metrics import MATCHED_RECALL
from lesionseg.evaluation.paired import ALPHA, Difference, smallest_p
from lesionseg.evaluation.seeds import SeedSpread, trainings
from lesionseg.evaluation.statistics import (
    DRAWS,
    Estimate,
    bootstrap_weights,
    drawn_share_interval,
    expanded_interval,
)
from lesionseg.evaluation.summary import COLUMNS, summary_row, with_seeds
from lesionseg.settings.defaults import COMPARE_AT, FOUND_IOU
from lesionseg.size_buckets import ALL_SIZES, SMALL_SIZES, SizeBuckets


@dataclass(frozen=True, eq=False)
class _Rate:
    """One model's recall at the matched number, of lesions of one size.

    found, total: by patient, at the threshold that the whole cohort gives. draws: the recall of
    each draw of patients, at the threshold that the draw gives.
    """

    value: float
    found: NDArray[np.float64]
    total: NDArray[np.float64]
    draws: NDArray[np.float64]

    @property
    def num_patients(self) -> int:
        return int((self.total > 0).sum())

    @property
    def estimate(self) -> Estimate:
        """Wilson's interval; its design effect holds that each draw moves the threshold too."""
        number = self.num_patients
        total = float(self.total.sum())
        low, high = drawn_share_interval(self.value, total, self.draws, number)
        return Estimate(self.value, low, high, number)


def summarise_matched(
    candidates: Mapping[str, Mapping[str, Candidates]],
    patients: Mapping[str, str],
    buckets: SizeBuckets,
    *,
    model_of: Mapping[str, str] | None = None,
    compare_at: float = COMPARE_AT,
    found_iou: float = FOUND_IOU,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[pd.DataFrame, float | None]:
    """Recall of each model at one number of false positives a scan, and that number.

    candidates: by training, then case; cases that all have are compared. patients: by case.
    model_of: as in `seeds`; a figure is the mean over seeds, each at its own threshold. The number
    is `compare_at`, or where a curve ends earlier, the largest that all reach; None, and no rows,
    where one reaches none. The rows, with the columns of `summary.COLUMNS`, are those of
    SMALL_SIZES, of each bucket and of all sizes, each model's and then the differences of all
    pairs, whose test is that of `matched_test`.
    """
    common, scans = _common(candidates)
    target = matched_number(list(scans.values()), compare_at)
    if target is None:
        return pd.DataFrame(columns=COLUMNS), None
    who = _numbered(common, patients)
    weights = bootstrap_weights(int(who.max()) + 1, draws=draws, seed=seed)[:, who]
    sizes = {
        bucket: buckets.volume_range_mm3(bucket)
        for bucket in (SMALL_SIZES, *buckets.names, ALL_SIZES)
    }
    of_model = trainings(scans, model_of or {})
    rates: dict[tuple[str, str], _Rate] = {}
    rows: list[dict[str, Any]] = []
    for model, mine in of_model.items():
        for bucket, limits in sizes.items():
            each = [_rate(scans[m], who, weights, target, found_iou, limits) for m in mine]
            rate = rates[model, bucket] = _mean_rate(each)
            row = _row(model, "", bucket, rate, rate.estimate, len(common))
            rows.append(with_seeds(row, SeedSpread.of([one.value for one in each])))
    for first, second in itertools.combinations(of_model, 2):
        p_values = matched_p_values(
            [scans[one] for one in of_model[first]],
            [scans[one] for one in of_model[second]],
            who,
            target,
            list(sizes.values()),
            found_iou=found_iou,
            draws=draws,
            seed=seed,
        )
        for bucket, p_value in zip(sizes, p_values):
            one, other = rates[first, bucket], rates[second, bucket]
            moved = _difference(one, other, p_value)
            rows.append(_row(first, second, bucket, one, moved, len(common)))
    return pd.DataFrame(rows, columns=COLUMNS), target


def _mean_rate(each: Sequence[_Rate]) -> _Rate:
    """The mean over seeds, within each patient and each draw."""
    return _Rate(
        value=float(np.mean([rate.value for rate in each])),
        found=np.mean([rate.found for rate in each], axis=0),
        total=each[0].total,
        draws=np.mean([rate.draws for rate in each], axis=0),
    )


def _row(
    model: str,
    minus: str,
    bucket: str,
    rate: _Rate,
    found: Estimate | Difference,
    num_cases: int,
) -> dict[str, Any]:
    return summary_row(
        model,
        minus,
        found,
        bucket=bucket,
        metric=MATCHED_RECALL,
        average=POOLED,
        num_cases=num_cases,
        num_lesions=int(rate.total.sum()),
    )


def matched_draws(
    candidates: Mapping[str, Mapping[str, Candidates]],
    patients: Mapping[str, str],
    limits: tuple[float, float],
    matched_at: float,
    *,
    model_of: Mapping[str, str] | None = None,
    found_iou: float = FOUND_IOU,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Recall at `matched_at` of lesions in [low, high) mm3 in each draw of patients, by model."""
    common, scans = _common(candidates)
    who = _numbered(common, patients)
    weights = bootstrap_weights(int(who.max(initial=-1)) + 1, draws=draws, seed=seed)[:, who]
    return {
        model: _mean_rate(
            [_rate(scans[m], who, weights, matched_at, found_iou, limits) for m in mine]
        ).draws
        for model, mine in trainings(scans, model_of or {}).items()
    }


def _common(
    candidates: Mapping[str, Mapping[str, Candidates]],
) -> tuple[list[str], dict[str, list[Candidates]]]:
    """The cases that all models have, in order, and each model's scans of them."""
    common = sorted(set.intersection(*map(set, candidates.values()))) if candidates else []
    return common, {
        model: [by_case[case] for case in common] for model, by_case in candidates.items()
    }


def _numbered(cases: Sequence[str], patients: Mapping[str, str]) -> NDArray[np.int64]:
    """The patient of each case as a number from 0."""
    numbers: NDArray[np.int64] = pd.factorize(
        np.array([patients[case] for case in cases], dtype=object)
    )[0]
    return numbers


def matched_number(models: Sequence[Sequence[Candidates]], compare_at: float) -> float | None:
    """`compare_at`, or the largest number of false positives a scan that all models reach.

    None where a model has no scan or no false positive at any score.
    """
    reached = [
        float(operating_curve(scans).fp_per_scan.max()) if scans else 0.0 for scans in models
    ]
    number = min([compare_at, *reached], default=0.0)
    return number if models and number > 0 else None


def _rate(
    scans: Sequence[Candidates],
    who: NDArray[np.int64],
    weights: NDArray[np.float64],
    target: float,
    found_iou: float,
    limits: tuple[float, float],
) -> _Rate:
    events = score_events(scans, found_iou=found_iou, volume_range_mm3=limits)
    (value,), (threshold,) = recall_at(curve_of(events), target)
    kept = events.score >= threshold
    found = np.bincount(events.scan[kept], events.found[kept], minlength=len(scans))
    return _Rate(
        value=float(value),
        found=np.bincount(who, found).astype(np.float64),
        total=np.bincount(who, events.num_reference).astype(np.float64),
        draws=recall_draws(events, weights, [target])[:, 0],
    )


def _difference(one: _Rate, other: _Rate, p_value: float) -> Difference:
    """Interval and spread over draws of patients, each of which moves both thresholds."""
    number, spread = one.num_patients, one.draws - other.draws
    low, high = expanded_interval(spread, number)
    defined = spread[~np.isnan(spread)]
    num_differing = int((one.found != other.found).sum())
    least = smallest_p(num_differing)
    return Difference(
        value=one.value - other.value,
        low=low,
        high=high,
        p_value=max(p_value, least) if least <= ALPHA else np.nan,
        num_patients=number,
        num_differing=num_differing,
        smallest_p=least,
        deviation=float(defined.std()) * number / np.sqrt(number - 1) if number > 1 else np.nan,
    )
