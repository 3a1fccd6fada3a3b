"""Scores become chances: shares by hand, and what may not change."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_scans import scan

from lesionseg.inference.score_calibration import calibrated, fit_calibration


def test_shares_of_two_stretches_by_hand():
    """Ten lesions and no other above 0.8; then ten lesions among fifty at about 0.3."""
    high = scan(np.full(10, 0.9), np.ones(10))
    low = scan(np.repeat([0.2, 0.4], 25), np.r_[np.arange(25) < 4, np.arange(25) < 6])
    knots = fit_calibration([high, low])
    # the second stretch holds 10 lesions: 6 of 25 at 0.4 and 4 of 25 at 0.2, together 10 of 50
    # ten of ten are told as nine and a half; an eleventh lesion would make it all of them
    assert knots == ((0.0, 0.0), (0.3, 0.2), (0.9, 0.95), (1.0, 1.0))
    assert float(calibrated(0.3, knots)) == pytest.approx(0.2)
    assert float(calibrated(0.15, knots)) == pytest.approx(0.1)


def test_a_stretch_that_falls_is_joined_with_its_neighbour():
    """Higher scores that are true less often than lower ones: both have the share of both."""
    high = scan(np.full(40, 0.8), np.arange(40) < 10)  # 10 of 40
    low = scan(np.full(20, 0.4), np.arange(20) < 10)  # 10 of 20
    knots = fit_calibration([high, low])
    at = (40 * 0.8 + 20 * 0.4) / 60
    assert knots[1] == (pytest.approx(at, abs=1e-6), pytest.approx(20 / 60, abs=1e-6))
    assert knots[2:] == ((1.0, pytest.approx(21 / 61, abs=1e-6)),)


def test_chances_hold_for_new_scans_of_the_same_kind():
    rng = np.random.default_rng(0)

    def draw(num):
        score = rng.uniform(0, 1, num)
        return scan(score, rng.uniform(0, 1, num) < score**2)  # the chance is the square

    knots = fit_calibration([draw(500) for _ in range(8)])
    fresh = draw(20000)
    chance = calibrated(fresh.score, knots)
    for low in np.arange(0, 1, 0.1):
        there = (chance >= low) & (chance < low + 0.1)
        assert abs(chance[there].mean() - (fresh.owner[there] > 0).mean()) < 0.06


def test_the_order_of_scores_never_changes():
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 1, 400)
    knots = fit_calibration([scan(score, rng.uniform(0, 1, 400) < 0.3)])
    grid = np.linspace(0, 1, 500)
    assert (np.diff(calibrated(grid, knots)) > 0).all()
    assert (np.diff(np.array(knots), axis=0) > 0).all()


def test_scores_that_are_all_the_same_keep_a_curve_that_rises():
    knots = fit_calibration([scan(np.ones(40), np.arange(40) < 20)])
    assert knots == ((0.0, 0.0), (1.0, round(21 / 41, 6)))


def test_scores_that_tell_all_lesions_from_all_others_are_near_0_and_1():
    """20 lesions at 0.6, 40 others at 0.3: half a candidate of 20 and of 40 is given away."""
    knots = fit_calibration([scan(np.repeat([0.6, 0.3], [20, 40]), np.arange(60) < 20)])
    assert knots == ((0.0, 0.0), (0.3, 0.0125), (0.6, 0.975), (1.0, 1.0))


def test_the_highest_scores_are_told_as_their_share():
    """Half of those at 0.999 are lesions, however near to 1 that is: one more makes 21 of 41."""
    high = scan(np.full(40, 0.999), np.arange(40) < 20)
    knots = fit_calibration([high, scan(np.full(40, 0.3), np.zeros(40))])
    assert knots == ((0, 0), (0.3, 0.0125), (0.999, 0.5), (1, pytest.approx(21 / 41, abs=1e-6)))


@pytest.mark.parametrize(("num_true", "num_false"), [(0, 0), (50, 0), (0, 50), (9, 50), (50, 9)])
def test_of_too_few_candidates_scores_stay_what_they_are(num_true, num_false):
    true = np.arange(num_true + num_false) < num_true
    knots = fit_calibration([scan(np.linspace(0.1, 0.9, len(true)), true)])
    assert knots == ()
    np.testing.assert_array_equal(calibrated(np.array([0.2, 0.7]), knots), [0.2, 0.7])
