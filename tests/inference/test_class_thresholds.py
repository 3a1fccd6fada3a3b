"""Thresholds of several lesion classes: each its own where validation holds enough of it."""

from __future__ import annotations

import numpy as np
import pytest
from threshold_maps import semantic

from lesionseg.inference.class_thresholds import (
    ENOUGH,
    choose_operating_point,
    choose_operating_points,
)
from lesionseg.lesion_kinds import IGNORED
from lesionseg.settings.threshold_rule import threshold_rule


def row_of(says, num_lesions):
    """Cubes in a row said with these probabilities, the first of them lesions."""
    probability = np.zeros((4 * len(says), 4, 4))
    reference = np.zeros(probability.shape, np.int32)
    for place, value in enumerate(says):
        cube = (slice(4 * place, 4 * place + 2), slice(1, 3), slice(1, 3))
        probability[cube] = value
        if place < num_lesions:
            reference[cube] = place + 1
    return semantic(probability), reference


MANY = row_of([0.9] * ENOUGH + [0.3] * 5, ENOUGH)  # all found at 0.9, five false ones at 0.3
LOW = row_of([0.4] * ENOUGH, ENOUGH)  # found at 0.4 alone
FEW = row_of([0.4, 0.9], 1)


def test_each_class_has_the_threshold_that_suits_it():
    first, second = choose_operating_points([[MANY, LOW]], threshold_rule("max_f1"), 2)
    assert first.point.score_threshold == pytest.approx(0.9)
    assert second.point.score_threshold == pytest.approx(0.4)
    assert (first.recall, second.recall) == (1.0, 1.0)
    assert (first.of_all, second.of_all) == ("", "")


def test_a_class_of_few_lesions_takes_that_of_all():
    """Over both classes 0.4 is best, which finds eleven of eleven with one false positive."""
    own, few = choose_operating_points([[MANY, FEW]], threshold_rule("max_f1"), 2)
    assert own.point.score_threshold == pytest.approx(0.9)
    assert few.point.score_threshold == pytest.approx(0.4)
    assert few.of_all == "1 lesion in validation: thresholds of all classes together"
    assert few.recall == 1.0
    assert few.fp_per_scan == 1.0


def test_a_budget_of_false_positives_is_shared():
    """The lesions are found after four false positives, half of four are not enough."""
    noisy = row_of([0.5] * ENOUGH + [0.9, 0.8, 0.7, 0.6], ENOUGH)
    rule = threshold_rule("fp_per_scan=4")
    alone = choose_operating_point([noisy], rule)
    assert (alone.recall, alone.fp_per_scan) == (1.0, 4.0)
    for one in choose_operating_points([[noisy, noisy]], rule, 2):
        assert one.problem == "no threshold finds a lesion at 2 false positives a scan"


def test_one_class_is_chosen_as_ever():
    (one,) = choose_operating_points([[MANY]], threshold_rule("max_quality"), 1)
    assert one == choose_operating_point([MANY], threshold_rule("max_quality"))


def test_a_candidate_on_what_nobody_judged_is_no_false_positive():
    lesion_map, reference = row_of([0.9, 0.8], 1)
    counted = choose_operating_point([(lesion_map, reference)], threshold_rule("recall=1"))
    assert counted.fp_per_scan == 0
    low, _ = row_of([0.5, 0.8], 1)
    assert choose_operating_point([(low, reference)], threshold_rule("recall=1")).fp_per_scan == 1
    unjudged = reference.copy()
    unjudged[4:6, 1:3, 1:3] = IGNORED
    assert choose_operating_point([(low, unjudged)], threshold_rule("recall=1")).fp_per_scan == 0
