"""A bound on the share of false lesions: the numbers it takes, and that it holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from candidate_scans import scan

from lesionseg.inference.false_discoveries import bounded_threshold, patients_needed


@pytest.mark.parametrize(("share", "num"), [(0.5, 4), (0.2, 11), (0.1, 22), (0.05, 45)])
def test_so_many_patients_are_needed(share, num):
    """Without a single false lesion the chance of n such patients is (1 - share)^n."""
    assert patients_needed(share) == num
    assert (1 - share) ** num <= 0.1 < (1 - share) ** (num - 1)
    clean = scan(np.full(5, 0.95), np.ones(5))
    names = [f"p{i}" for i in range(num)]
    assert bounded_threshold([clean] * num, names, share) == 0.01
    assert bounded_threshold([clean] * (num - 1), names[1:], share) is None


def test_the_threshold_is_where_the_test_first_fails():
    """20 patients, each with nine lesions at 0.9, and one with a false one more at 0.6."""
    clean = scan(np.full(9, 0.9), np.ones(9))
    spoilt = scan(np.r_[np.full(9, 0.9), 0.6], np.r_[np.ones(9), 0])
    bad = scan(np.r_[np.full(9, 0.9), np.full(40, 0.3)], np.r_[np.ones(9), np.zeros(40)])
    names = [f"p{i}" for i in range(20)]
    assert bounded_threshold([*[clean] * 19, spoilt], names, 0.2) == 0.01
    # at 0.3 every patient has 40 of 49 false
    assert bounded_threshold([bad] * 20, names, 0.2) == 0.31
    assert bounded_threshold([clean, *[bad] * 19], names, 0.2) == 0.31


def test_scores_that_crowd_near_1_are_told_apart():
    """As peaks of a U-Net: above 0.999 all are lesions, of those at 0.992 none is."""
    one = scan(np.repeat([0.9993, 0.992], 5), np.arange(10) < 5)
    assert bounded_threshold([one] * 30, [f"p{i}" for i in range(30)], 0.2) == 0.995


def test_scans_of_one_patient_count_once():
    clean = scan(np.full(5, 0.95), np.ones(5))
    assert bounded_threshold([clean] * 22, [f"p{i // 2}" for i in range(22)], 0.2) == 0.01
    assert bounded_threshold([clean] * 22, [f"p{i // 3}" for i in range(22)], 0.2) is None


def test_the_lesions_of_all_scans_of_a_patient_count_together():
    """A scan, or a lesion class, that reports nothing does not halve the share of the others: every
    patient has 3 of 10 false."""
    mixed, nothing = scan(np.full(10, 0.9), np.arange(10) < 7), scan([], [])
    names = [f"p{i}" for i in range(60)]
    alone = bounded_threshold([mixed] * 60, names, 0.28)
    assert alone == 0.91
    assert bounded_threshold([mixed, nothing] * 60, np.repeat(names, 2).tolist(), 0.28) == alone


def test_the_bound_holds_for_new_patients_as_often_as_it_says():
    """Drawn 200 times: the true mean share at the threshold that was chosen."""
    rng = np.random.default_rng(0)

    def patient():
        score = rng.uniform(0, 1, 30)
        return scan(score, rng.uniform(0, 1, 30) < score)

    truth = [patient() for _ in range(3000)]

    def mean_share(threshold):
        shares = []
        for one in truth:
            kept = one.score >= threshold
            shares.append((one.owner[kept] == 0).mean() if kept.any() else 0.0)
        return np.mean(shares)

    means = {t: mean_share(t) for t in np.round(np.arange(0.01, 1, 0.01), 2)}
    chosen = [
        bounded_threshold([patient() for _ in range(25)], [str(i) for i in range(25)], 0.25)
        for _ in range(200)
    ]
    assert sum(one is not None for one in chosen) > 150
    broken = [one for one in chosen if one is not None and means[one] > 0.25]
    assert len(broken) <= 0.1 * 200 + 3 * math.sqrt(200 * 0.1 * 0.9)
