"""Spread over patients: 95 % intervals of figures that hold with few patients too.

Every average in the report is a ratio of two sums over patients (lesions found over lesions, Dice
summed over lesions, false positives over scans), so one resampling of patients serves them all.
How often these intervals hold the truth is measured by benchmarks/coverage.py.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit

from lesionseg.settings.defaults import DRAWS

LEVEL = 0.95
FEW_PATIENTS = 10  # below, a figure carries a warning


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, NaN where there is none. num_patients: of the figure itself."""

    value: float
    low: float
    high: float
    num_patients: int

    @property
    def is_uncertain(self) -> bool:
        """Whether there are too few patients to build on the figure."""
        return self.num_patients < FEW_PATIENTS


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
    """Sum of `numerator` over sum of `denominator`, both (patients,), with an interval.

    Patients are drawn, not lesions, those alone whose denominator is above 0; the interval is the
    `expanded_interval` of the draws. 0 / 0 is NaN.
    """
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    weights = bootstrap_weights(len(top), draws=draws, seed=seed)
    low, high = expanded_interval(ratio(weights @ top, weights @ bottom), len(top))
    return Estimate(float(ratio(top.sum(), bottom.sum())), low, high, len(top))


def pooled_share(found: ArrayLike, total: ArrayLike) -> Estimate:
    """Share of all counted things that have a property, such as lesions found, with its interval.

    found, total: (patients,) counts; patients without any are no part of the figure. The interval
    is that of `share_interval`, the variance over patients by linearisation (Cochran, Sampling
    Techniques, 1977, section 6.3).
    """
    top, bottom = np.asarray(found, dtype=np.float64), np.asarray(total, dtype=np.float64)
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    value, number = float(ratio(top.sum(), bottom.sum())), len(top)
    if number < 2:
        return Estimate(value, math.nan, math.nan, number)
    variance = number / (number - 1) * ((top - value * bottom) ** 2).sum() / bottom.sum() ** 2
    low, high = share_interval(value, float(bottom.sum()), float(variance), number)
    return Estimate(value, low, high, number)


def share_interval(
    share: float, total: float, variance: float, num_patients: int
) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `total` things that come in patients.

    The number of things is divided by the design effect, `variance` over that of things drawn one
    by one, and the normal quantile is Student's (Korn and Graubard, Survey Methodology 24, 1998;
    Franco et al., J. Survey Statistics and Methodology 7, 2019). The design effect is at least 1.
    Where all or none have the property nothing shows how alike the things of a patient are, and
    patients count instead of things. NaN below two patients.
    """
    if num_patients < 2 or math.isnan(share):
        return math.nan, math.nan
    one_by_one = share * (1 - share) / total
    effective = float(num_patients)
    if one_by_one > 0:
        effective = total / max(variance / one_by_one, 1.0)
    t2 = student_t(num_patients) ** 2 / effective
    middle = (share + t2 / 2) / (1 + t2)
    half = math.sqrt(t2 * share * (1 - share) + t2**2 / 4) / (1 + t2)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def drawn_share_interval(
    share: float, total: float, spread: NDArray[np.float64], num_patients: int
) -> tuple[float, float]:
    """`share_interval` with the variance of bootstrap draws, which find the share anew."""
    defined = spread[~np.isnan(spread)]
    if len(defined) == 0 or num_patients < 2:
        return math.nan, math.nan
    variance = float(defined.var()) * num_patients / (num_patients - 1)
    return share_interval(share, total, variance, num_patients)


def expanded_interval(spread: NDArray[np.float64], num_patients: int) -> tuple[float, float]:
    """The 95 % interval of bootstrap draws of a figure over patients; undefined draws are left out.

    The expanded percentile interval of Hesterberg (The American Statistician 69, 2015, section
    5.3): the percentiles are those at which a normal interval would be as wide as Student's with
    the unbiased standard deviation. NaN below two patients, and where no draw differs: a figure
    that is the same in all patients seen says nothing of how much it would vary in others.
    """
    defined = spread[~np.isnan(spread)]
    if len(defined) == 0 or num_patients < 2 or np.ptp(defined) == 0:
        return math.nan, math.nan
    tail = ndtr(-student_t(num_patients) * math.sqrt(num_patients / (num_patients - 1)))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def student_t(num_patients: int) -> float:
    """Student's two-sided 95 % quantile for so many patients."""
    return float(stdtrit(num_patients - 1, (1 + LEVEL) / 2))


def ratio(top: ArrayLike, bottom: ArrayLike) -> NDArray[np.float64]:
    """top / bottom, NaN where bottom is 0."""
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
