"""Intervals and tests whose values are known."""

import numpy as np
import pytest

from lesionseg.evaluation import bootstrap_median, bootstrap_ratio, paired_difference
from lesionseg.evaluation.statistics import median_difference


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
    assert (same.low, same.value, same.high) == (0.5, 0.5, 0.5)


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


def test_undefined_is_nan_and_counted():
    nothing = bootstrap_ratio([0, 0], [0, 0])
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert nothing.num_patients == 0
    one_of_two = bootstrap_ratio([1, 0], [2, 0], draws=4000)
    assert one_of_two.value == 0.5
    assert one_of_two.num_undefined == pytest.approx(1000, abs=120)  # neither draw is the first
    assert np.isnan(bootstrap_ratio([], []).value)


def test_the_exact_permutation_test_counts_swaps():
    """Seven patients, the first model better in each: 2 of 128 swaps are as extreme."""
    ones = np.ones(7)
    found = paired_difference((ones, ones), (ones * 0, ones))
    assert found.value == 1
    assert found.p_value == pytest.approx(2 / 128)
    assert (found.low, found.high) == (1, 1)


def test_no_difference_has_p_one():
    values, ones = np.arange(8.0), np.ones(8)
    found = paired_difference((values, ones), (values, ones))
    assert (found.value, found.p_value, found.low, found.high) == (0, 1, 0, 0)


def test_the_drawn_permutation_test_agrees_with_the_exact_one():
    generator = np.random.default_rng(3)
    a, b = generator.normal(0.35, 1, 14), generator.normal(0, 1, 14)
    ones = np.ones(14)
    exact = paired_difference((a, ones), (b, ones)).p_value
    many = [np.append(x, [0.0, 0.0]) for x in (a, b)]  # two more that swap to nothing
    drawn_ones = np.append(ones, [1e-12, 2e-12])
    drawn = paired_difference((many[0], drawn_ones), (many[1], drawn_ones[[*range(14), 15, 14]]))
    assert 0.02 < exact < 0.98
    assert drawn.p_value == pytest.approx(exact, abs=0.02)


def test_fewer_than_six_patients_have_no_p_value():
    ones = np.ones(5)
    found = paired_difference((ones, ones), (ones * 0, ones))
    assert np.isnan(found.p_value)
    assert found.value == 1


def test_the_median_takes_infinities_in_its_stride():
    estimate = bootstrap_median([1, 2, np.inf, np.nan], ["a", "b", "c", "d"])
    assert estimate.value == 2
    assert estimate.low == 1
    assert estimate.high == np.inf
    assert estimate.num_patients == 3
    even = bootstrap_median([1, 3], ["a", "b"])
    assert even.value == 2


def test_medians_differ_by_hand_and_every_swap_is_tried():
    """Six patients; of the 64 swaps only none and all of them part the medians as far."""
    first, second = [1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]
    found = median_difference(first, second, list("abcdef"), draws=200)
    assert found.value == -10
    assert found.p_value == 2 / 64
    assert found.low <= -10 <= found.high
    assert found.num_patients == 6


def test_a_median_difference_leaves_out_what_is_undefined_and_keeps_infinity():
    found = median_difference([1, np.nan, np.inf], [0, 5, 3], ["a", "b", "c"], draws=50)
    assert found.num_patients == 2
    assert found.value == np.inf  # medians of (1, inf) and (0, 3)
    assert np.isnan(found.p_value)  # too few patients
    assert np.isnan(median_difference([np.nan], [1.0], ["a"]).value)
