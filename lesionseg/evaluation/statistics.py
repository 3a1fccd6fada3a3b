"""Spread over patients: bootstrap intervals and the paired permutation test.

Every average in the report is a ratio of two sums over patients (lesions found over lesions, Dice
summed over lesions, false positives over scans), so one resampling of patients serves them all.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesionseg.settings.defaults import DRAWS

LEVEL = 0.95
MIN_PATIENTS = 6
MAX_EXACT = 14  # up to 2**14 swaps are all tried; beyond, they are drawn


@dataclass(frozen=True)
class Estimate:
    """A value with its interval. num_undefined: draws in which it was undefined and left out."""

    value: float
    low: float
    high: float
    num_patients: int
    num_undefined: int = 0

    @property
    def is_uncertain(self) -> bool:
        """Whether there are too few patients to trust the interval."""
        return self.num_patients < MIN_PATIENTS


@dataclass(frozen=True)
class Difference:
    """First minus second model, with interval; p_value is NaN below MIN_PATIENTS patients."""

    value: float
    low: float
    high: float
    p_value: float
    num_patients: int


@functools.lru_cache(maxsize=16)
def bootstrap_weights(
    num_patients: int, *, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """How often each patient is drawn in each resampling with replacement, (draws, patients)."""
    if num_patients == 0:
        return np.zeros((draws, 0))
    generator = np.random.default_rng(seed)
    even = np.full(num_patients, 1 / num_patients)
    weights = generator.multinomial(num_patients, even, size=draws).astype(np.float64)
    weights.setflags(write=False)  # one array is shared by all callers
    return weights


def bootstrap_ratio(
    numerator: ArrayLike, denominator: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Sum of `numerator` over sum of `denominator`, both (patients,), with a percentile interval.

    Patients are drawn, not lesions (Efron and Tibshirani, 1993, chapter 13). 0 / 0 is NaN.
    """
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    weights = bootstrap_weights(len(top), draws=draws, seed=seed)
    low, high, undefined = _spread_interval(_ratio(weights @ top, weights @ bottom))
    value = float(_ratio(top.sum(), bottom.sum()))
    return Estimate(value, low, high, int((bottom > 0).sum()), undefined)


def bootstrap_median(
    values: ArrayLike, patients: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Median of `values` (cases,), infinities included, with an interval by patient."""
    numbers, who = np.asarray(values, dtype=np.float64), np.asarray(patients)
    defined = ~np.isnan(numbers)
    numbers, who = numbers[defined], who[defined]
    if len(numbers) == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    names, index = np.unique(who, return_inverse=True)
    weights = bootstrap_weights(len(names), draws=draws, seed=seed)[:, index]
    low, high = np.quantile(_medians(numbers, weights), _tails(), method="nearest")
    return Estimate(float(np.median(numbers)), float(low), float(high), len(names))


def _medians(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of `values` (cases,) in each draw: (draws,) for weights (draws, cases)."""
    order = np.argsort(values)
    counts = np.cumsum(weights[:, order], axis=1)
    middle = counts[:, -1:] / 2
    ranked = values[order]
    lower = ranked[(counts >= middle).argmax(axis=1)]  # mean of the two middle values, as np.median
    upper = ranked[(counts > middle).argmax(axis=1)]
    return (lower + upper) / 2


def median_difference(
    first: ArrayLike, second: ArrayLike, patients: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Difference of two medians over the cases (cases,) in which both are defined.

    Interval and test as in `paired_difference`: patients drawn, the models swapped within patients.
    Infinite less infinite is undefined.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    both = ~(np.isnan(a) | np.isnan(b))
    names, who = np.unique(np.asarray(patients)[both], return_inverse=True)
    a, b = a[both], b[both]
    if len(a) == 0:
        return Difference(np.nan, np.nan, np.nan, np.nan, 0)
    weights = bootstrap_weights(len(names), draws=draws, seed=seed)[:, who]
    with np.errstate(invalid="ignore"):
        value = float(np.median(a) - np.median(b))
        spread = _medians(a, weights) - _medians(b, weights)
        defined = spread[~np.isnan(spread)]
        low, high = (
            np.quantile(defined, _tails(), method="nearest") if len(defined) else (np.nan, np.nan)
        )
        p_value = np.nan
        if len(names) >= MIN_PATIENTS and not np.isnan(value):
            swap, exact = _swaps(len(names), draws * 5, seed)
            swapped = swap[:, who].astype(bool)
            one, other = np.where(swapped, b, a), np.where(swapped, a, b)
            permuted = np.abs(np.median(one, axis=1) - np.median(other, axis=1))
            p_value = _share_as_extreme(permuted, abs(value), exact)
    return Difference(value, float(low), float(high), p_value, len(names))


def paired_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Difference of two ratios of sums on the same patients: interval and permutation p-value.

    first, second: (numerator, denominator), each (patients,) in the same order. The interval draws
    patients, the same for both. The test swaps the two models' values within patients: all swaps
    where there are few patients, else 5 * `draws` random ones, two-sided (Good, Permutation
    Tests, 2000).
    """
    a = np.stack([np.asarray(v, dtype=np.float64) for v in first])
    b = np.stack([np.asarray(v, dtype=np.float64) for v in second])
    num_patients = int(((a[1] > 0) | (b[1] > 0)).sum())
    weights = bootstrap_weights(a.shape[1], draws=draws, seed=seed)
    spread = _ratio(weights @ a[0], weights @ a[1]) - _ratio(weights @ b[0], weights @ b[1])
    low, high, _ = _spread_interval(spread)
    value = float(_ratio(a[0].sum(), a[1].sum()) - _ratio(b[0].sum(), b[1].sum()))
    p_value = (
        _permutation_p(a, b, value, draws * 5, seed) if num_patients >= MIN_PATIENTS else np.nan
    )
    return Difference(value, low, high, p_value, num_patients)


def _permutation_p(
    a: NDArray[np.float64], b: NDArray[np.float64], value: float, draws: int, seed: int
) -> float:
    differs = (a != b).any(axis=0)  # swapping equal values changes nothing
    count = int(differs.sum())
    if np.isnan(value):
        return float("nan")
    swap, exact = _swaps(count, draws, seed)
    change = (b - a)[:, differs]
    top_a, bottom_a = (a[i].sum() + swap @ change[i] for i in (0, 1))
    top_b, bottom_b = (b[i].sum() - swap @ change[i] for i in (0, 1))
    permuted = np.abs(_ratio(top_a, bottom_a) - _ratio(top_b, bottom_b))
    return _share_as_extreme(permuted, abs(value), exact)


def _swaps(count: int, draws: int, seed: int) -> tuple[NDArray[np.int64], bool]:
    """Which of `count` patients change models, (swaps, count), and whether that is every way."""
    if count <= MAX_EXACT:
        return (np.arange(2**count)[:, None] >> np.arange(count)) & 1, True
    return np.random.default_rng(seed).integers(0, 2, (draws, count)), False


def _share_as_extreme(permuted: NDArray[np.float64], value: float, exact: bool) -> float:
    extreme = int((permuted >= value - 1e-12).sum())
    return extreme / len(permuted) if exact else (extreme + 1) / (len(permuted) + 1)


def _ratio(top: ArrayLike, bottom: ArrayLike) -> NDArray[np.float64]:
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def _tails() -> list[float]:
    return [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def percentile_interval(spread: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of draws, those that are NaN left out; NaN where all are."""
    return _spread_interval(spread)[:2]


def _spread_interval(spread: NDArray[np.float64]) -> tuple[float, float, int]:
    defined = spread[~np.isnan(spread)]
    if len(defined) == 0:
        return float("nan"), float("nan"), len(spread)
    low, high = np.quantile(defined, _tails())
    return float(low), float(high), len(spread) - len(defined)
