"""Two models on the same patients: differences and tests whose values are known."""

import math

import numpy as np
import pytest
from scipy import stats

from lesionseg.evaluation import paired_difference
from lesionseg.evaluation.paired import holm, median_difference, patients_needed


def test_the_exact_permutation_test_counts_swaps():
    """Seven patients, the first model better in each: 2 of 128 swaps are as extreme."""
    ones = np.ones(7)
    found = paired_difference((ones, ones), (ones * 0, ones))
    assert found.value == 1
    assert found.p_value == pytest.approx(2 / 128)
    assert np.isnan([found.low, found.high]).all()  # the same in all: no spread to go by


def test_no_difference_has_nothing_to_test():
    values, ones = np.arange(8.0), np.ones(8)
    found = paired_difference((values, ones), (values, ones))
    assert found.value == 0
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(found.p_value)  # no patient differs, so no result could be called one


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


def test_five_patients_who_differ_have_no_p_value_whatever_the_difference():
    """2 of 32 swaps are as extreme as any: 0.0625 at least."""
    ones = np.ones(5)
    found = paired_difference((ones, ones), (ones * 0, ones))
    assert np.isnan(found.p_value)
    assert (found.value, found.num_differing, found.smallest_p) == (1, 5, 2 / 32)


def test_patients_in_whom_the_models_are_equal_do_not_make_a_test():
    """Twenty patients, of whom five differ."""
    first = np.append(np.ones(5), np.zeros(15))
    found = paired_difference((first, np.ones(20)), (np.zeros(20), np.ones(20)))
    assert np.isnan(found.p_value)
    assert (found.num_patients, found.num_differing) == (20, 5)


def test_holm_by_hand():
    """.01 * 4, then .02 * 3, then .03 * 2, which may not be below the one before, then .9 * 1."""
    adjusted = holm([0.9, 0.01, math.nan, 0.03, 0.02])
    assert adjusted[:2] == pytest.approx([0.9, 0.04])
    assert math.isnan(adjusted[2])
    assert adjusted[3:] == pytest.approx([0.06, 0.06])


def test_the_number_of_patients_needed_has_the_power_that_it_says():
    """By the noncentral t distribution: so many see the difference in 80 % of trials, fewer not."""
    for deviation in (0.1, 0.25, 0.5):
        number = patients_needed(deviation, 0.1)

        def power(n, deviation=deviation):
            shift = 0.1 / deviation * math.sqrt(n)
            return 1 - stats.nct.cdf(stats.t.ppf(0.975, n - 1), n - 1, shift)

        assert power(number) >= 0.79
        assert power(number - 2) < 0.81
    assert patients_needed(0.0, 0.1) is None
    assert patients_needed(math.nan, 0.1) is None


def test_the_deviation_is_that_of_the_patients_own_differences():
    """With one lesion a patient each adds its own difference: 1, 0, 0, -1."""
    ones = np.ones(4)
    found = paired_difference(([1, 1, 0, 0], ones), ([0, 1, 0, 1], ones))
    assert found.deviation == pytest.approx(np.std([1, 0, 0, -1], ddof=1))


def test_medians_differ_by_hand_and_every_swap_is_tried():
    """Six patients; of the 64 swaps only none and all of them part the medians as far."""
    first, second = [1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]
    found = median_difference(first, second, list("abcdef"), draws=200)
    assert found.value == -10
    assert found.p_value == 2 / 64
    assert np.isnan([found.low, found.high]).all()  # no bootstrap interval of a median
    assert found.num_patients == 6


def test_a_median_difference_leaves_out_what_is_undefined_and_keeps_infinity():
    found = median_difference([1, np.nan, np.inf], [0, 5, 3], ["a", "b", "c"], draws=50)
    assert found.num_patients == 2
    assert found.value == np.inf  # medians of (1, inf) and (0, 3)
    assert np.isnan(found.p_value)  # too few patients
    assert np.isnan(median_difference([np.nan], [1.0], ["a"]).value)
