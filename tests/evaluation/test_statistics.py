"""Intervals whose values are known."""

import math

import numpy as np
import pytest
from scipy import stats

from lesionseg.evaluation import bootstrap_ratio, pooled_share
from lesionseg.evaluation.statistics import expanded_interval, share_interval


def test_the_ratio_is_of_sums_not_a_mean_of_ratios():
    estimate = bootstrap_ratio([1, 9], [1, 19])
    assert estimate.value == pytest.approx(10 / 20)
    assert estimate.num_patients == 2
    assert estimate.is_uncertain


def test_the_interval_of_two_patients_is_all_there_is():
    """Resamples are both the first (1/4), both the second (1/4), or mixed (1/2)."""
    estimate = bootstrap_ratio([0, 1], [1, 1])
    assert (estimate.low, estimate.high) == (0, 1)
    same = bootstrap_ratio([2, 2, 2], [4, 4, 4])
    assert same.value == 0.5
    assert np.isnan([same.low, same.high]).all()  # alike in those seen says nothing of others


def test_the_interval_is_as_wide_as_the_normal_one_for_many_patients():
    """Means of 400 patients with standard deviation 1: 1.96 / 20 either side."""
    generator = np.random.default_rng(0)
    values = generator.normal(5, 1, 400)
    estimate = bootstrap_ratio(values, np.ones(400))
    half = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.015)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.015)


def test_seeded_draws_repeat():
    one, two, other = (bootstrap_ratio([1, 2, 5, 0], [5, 5, 5, 5], seed=s) for s in (1, 1, 2))
    assert one == two
    assert one.value == other.value


def test_undefined_is_nan_and_is_no_patient_of_the_figure():
    nothing = bootstrap_ratio([0, 0], [0, 0])
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert nothing.num_patients == 0
    assert np.isnan(bootstrap_ratio([], []).value)
    assert np.isnan(pooled_share([], []).value)


def test_patients_without_a_lesion_of_the_size_change_nothing():
    """They are no part of the figure: neither value nor interval knows of them."""
    for estimate in (bootstrap_ratio, pooled_share):
        few = estimate([1, 3, 2], [4, 5, 2])
        more = estimate([0, 1, 3, 0, 2], [0, 4, 5, 0, 2])
        assert few == more
        assert few.num_patients == 3


def test_one_patient_has_a_value_and_no_interval():
    for estimate in (bootstrap_ratio, pooled_share):
        found = estimate([3], [4])
        assert found.value == 0.75
        assert np.isnan([found.low, found.high]).all()
        assert found.num_patients == 1


def test_fewer_than_ten_patients_are_too_few_to_build_on():
    assert bootstrap_ratio(np.ones(9), np.ones(9)).is_uncertain
    assert not bootstrap_ratio(np.ones(10), np.ones(10)).is_uncertain


def test_the_expanded_interval_is_as_wide_as_students_for_few_patients():
    """Of draws that are normal with the standard deviation that a bootstrap has, the biased one:
    Student's interval, which has the unbiased one."""
    for number in (4, 6, 10, 30):
        unbiased = 2.0
        spread = math.sqrt((number - 1) / number) * unbiased / math.sqrt(number)
        draws = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000) * spread
        half = stats.t.ppf(0.975, number - 1) * unbiased / math.sqrt(number)
        assert expanded_interval(draws, number) == pytest.approx((-half, half), rel=0.02)
    assert np.isnan(expanded_interval(np.array([1.0, 2.0]), 1)).all()


def test_a_share_of_independent_things_has_wilsons_interval_with_students_quantile():
    """Patients alike to the last lesion have a design effect below 1, which counts as 1: Wilson's
    interval of 30 in 60 things, here by the quadratic equation that defines it."""
    found = pooled_share([5] * 6, [10] * 6)
    quantile = stats.t.ppf(0.975, 5)
    for limit in (found.low, found.high):
        assert (0.5 - limit) ** 2 == pytest.approx(quantile**2 * limit * (1 - limit) / 60)
    assert found.low < 0.5 < found.high


def test_the_design_effect_of_patients_of_all_or_none_is_their_number_of_lesions():
    """Each patient's ten lesions are found together or not at all: 3 of 6 patients, not 30 of 60.
    The variance over patients is 6/5 * (6 * 25) / 60**2 = 1/20, that of 60 lesions 1/240."""
    found = pooled_share([10, 10, 10, 0, 0, 0], [10] * 6)
    quantile = stats.t.ppf(0.975, 5)
    effective = 60 / (240 / 20)
    for limit in (found.low, found.high):
        assert (0.5 - limit) ** 2 == pytest.approx(quantile**2 * limit * (1 - limit) / effective)


@pytest.mark.parametrize(("found", "edge"), [([2] * 6, 1.0), ([0] * 6, 0.0)])
def test_all_found_and_none_found_have_an_interval_by_patients(found, edge):
    """12 of 12 is not 100 to 100: as Wilson has it for 6 of 6, the patients, with Student's t."""
    estimate = pooled_share(found, [2] * 6)
    t2 = stats.t.ppf(0.975, 5) ** 2
    inner = 1 / (1 + t2 / 6)
    assert estimate.value == edge
    wanted = (inner, 1.0) if edge else (0.0, 1 - inner)
    assert (estimate.low, estimate.high) == pytest.approx(wanted)


def test_wilsons_interval_holds_its_share_for_every_variance():
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        for variance in (0.0, 1e-4, 0.1):
            low, high = share_interval(share, 40, variance, 6)
            assert 0 <= low <= share <= high <= 1
    assert np.isnan(share_interval(float("nan"), 0, 0, 6)).all()


def test_with_six_patients_the_interval_of_recall_holds_the_truth():
    """2,000 studies of six patients with one to ten lesions, found alike within a patient: the
    interval covers the true recall of .9 in at least 93 of 100."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        lesions = generator.integers(1, 11, 6)
        chance = generator.beta(0.9 * 7 / 3, 0.1 * 7 / 3, 6)  # correlation .3 within a patient
        found = pooled_share(generator.binomial(lesions, chance), lesions)
        covered += found.low <= 0.9 <= found.high
    assert covered >= 0.93 * 2000
