"""Two models on the same patients: differences, tests, and how many patients a test needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from lesionseg.evaluation.statistics import (
    DRAWS,
    LEVEL,
    bootstrap_weights,
    expanded_interval,
    ratio,
    student_t,
)

MAX_EXACT = 14  # up to 2**14 swaps are all tried; beyond, they are drawn
ALPHA = 1 - LEVEL
POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """First minus second model, with its interval.

    num_differing: patients in whom the models differ. smallest_p: what a test of so many can give
    at least, NaN where none is made. p_value: NaN where smallest_p is above ALPHA, since no result
    could be called one.
    deviation: standard deviation over patients of what each adds to the difference.
    """

    value: float
    low: float
    high: float
    p_value: float
    num_patients: int
    num_differing: int = 0
    smallest_p: float = math.nan
    deviation: float = math.nan


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
    mine = (a[1] > 0) | (b[1] > 0)
    a, b = a[:, mine], b[:, mine]
    num_patients = a.shape[1]
    weights = bootstrap_weights(num_patients, draws=draws, seed=seed)
    spread = ratio(weights @ a[0], weights @ a[1]) - ratio(weights @ b[0], weights @ b[1])
    low, high = expanded_interval(spread, num_patients)
    value = float(ratio(a[0].sum(), a[1].sum()) - ratio(b[0].sum(), b[1].sum()))
    num_differing = int((a != b).any(axis=0).sum())
    least = smallest_p(num_differing)
    tested = least <= ALPHA and not math.isnan(value)
    return Difference(
        value,
        low,
        high,
        _permutation_p(a, b, value, draws * 5, seed) if tested else math.nan,
        num_patients,
        num_differing,
        least,
        float((_influence(a) - _influence(b)).std(ddof=1)) if num_patients > 1 else math.nan,
    )


def median_difference(
    first: ArrayLike, second: ArrayLike, patients: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Difference of two medians over the cases (cases,) in which both are defined.

    The test is that of `paired_difference`: the models swapped within patients. There is no
    interval: a bootstrap of medians has few values and covers badly. Infinite less infinite is
    undefined.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    both = ~(np.isnan(a) | np.isnan(b))
    names, who = np.unique(np.asarray(patients)[both], return_inverse=True)
    a, b = a[both], b[both]
    if len(a) == 0:
        return Difference(math.nan, math.nan, math.nan, math.nan, 0)
    num_differing = len(np.unique(who[a != b]))
    least, p_value = smallest_p(num_differing), math.nan
    with np.errstate(invalid="ignore"):
        value = float(np.median(a) - np.median(b))
        if least <= ALPHA and not math.isnan(value):
            swap, exact = swaps(len(names), draws * 5, seed)
            swapped = swap[:, who].astype(bool)
            one, other = np.where(swapped, b, a), np.where(swapped, a, b)
            permuted = np.abs(np.median(one, axis=1) - np.median(other, axis=1))
            p_value = share_as_extreme(permuted, abs(value), exact)
    return Difference(value, math.nan, math.nan, p_value, len(names), num_differing, least)


def smallest_p(num_differing: int) -> float:
    """The smallest two-sided p-value of a swapping test in which so many patients differ."""
    return min(1.0, 2.0 / 2.0**num_differing)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm, 1979); NaN are no tests and stay so."""
    known = [i for i, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[i] * (len(known) - rank)))
        adjusted[i] = largest
    return adjusted


def patients_needed(deviation: float, difference: float) -> int | None:
    """Patients by whom a paired t test sees `difference` in four of five trials, at 5 % two-sided.

    deviation: that of `Difference`. None where it is not known or 0, which no trial would trust.
    """
    if math.isnan(deviation) or deviation <= 0:
        return None
    size, power = (deviation / difference) ** 2, float(ndtri(POWER))
    number = max(2, math.ceil(size * (float(ndtri(1 - ALPHA / 2)) + power) ** 2))
    while number < size * (student_t(number) + power) ** 2:  # Student's quantile is the larger one
        number += 1
    return number


def _influence(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each patient adds to a ratio of sums, (patients,), to first order."""
    top, bottom = sums
    if bottom.sum() <= 0:
        return np.full(len(top), np.nan)
    value: NDArray[np.float64] = (top - bottom * (top.sum() / bottom.sum())) / bottom.mean()
    return value


def _permutation_p(
    a: NDArray[np.float64], b: NDArray[np.float64], value: float, draws: int, seed: int
) -> float:
    differs = (a != b).any(axis=0)  # swapping equal values changes nothing
    swap, exact = swaps(int(differs.sum()), draws, seed)
    moved = (swap @ (b - a)[:, differs].T).T  # numerators and denominators, (2, swaps)
    one, other = a.sum(axis=1)[:, None] + moved, b.sum(axis=1)[:, None] - moved
    permuted = np.abs(ratio(*one) - ratio(*other))
    return share_as_extreme(permuted, abs(value), exact)


def swaps(count: int, draws: int, seed: int) -> tuple[NDArray[np.float64], bool]:
    """Which of `count` patients change models, (swaps, count) of 0 and 1, and whether that is every
    way."""
    if count <= MAX_EXACT:
        every = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return every.astype(np.float64), True
    drawn = np.random.default_rng(seed).integers(0, 2, (draws, count), dtype=np.int8)
    return drawn.astype(np.float64), False


def share_as_extreme(permuted: NDArray[np.float64], value: float, exact: bool) -> float:
    """The p-value: the share of permuted values that are at least as large, one's own included."""
    extreme = int((permuted >= value - 1e-12).sum())
    return extreme / len(permuted) if exact else (extreme + 1) / (len(permuted) + 1)
