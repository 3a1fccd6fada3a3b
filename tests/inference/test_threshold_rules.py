"""Thresholds by each rule, and what is said where none can be chosen."""

import numpy as np
import pytest
from threshold_maps import choose_operating_point, semantic, spots, two_spots

from lesionseg.settings.threshold_rule import threshold_rule
from lesionseg.structures import OperatingPoint

BUDGET = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)  # of which the first, third and fifth are lesions


def alternating():
    """Two scans, one cube each of lesion and not, in turn by falling score."""
    probability = np.zeros((4 * len(BUDGET), 4, 4))
    reference = np.zeros(probability.shape, np.int32)
    for number, value in enumerate(BUDGET):
        box = (slice(4 * number, 4 * number + 2), slice(1, 3), slice(1, 3))
        probability[box] = value
        reference[box] = number + 1 if number % 2 == 0 else 0
    return semantic(probability), reference


@pytest.mark.parametrize(
    ("rule", "found", "false"),
    [
        ("fp_per_scan=0", 1, 0),
        ("fp_per_scan=1", 2, 1),
        ("fp_per_scan=2", 3, 2),
        ("fp_per_scan=9", 3, 3),
        ("recall=0.3", 1, 0),
        ("recall=0.5", 2, 1),
        ("recall=1", 3, 2),
        ("max_f1", 3, 2),  # F1 2/4, 4/6, 6/8
    ],
)
def test_each_rule_takes_its_own_score_threshold(rule, found, false):
    choice = choose_operating_point([alternating()], rule)
    assert choice.recall == pytest.approx(found / 3)
    assert choice.fp_per_scan == false
    assert choice.problem == ""


def test_a_budget_is_of_all_scans_together():
    """Two scans of three false positives: one a scan are two."""
    choice = choose_operating_point([alternating(), alternating()], "fp_per_scan=1")
    assert (choice.recall, choice.fp_per_scan) == (pytest.approx(2 / 3), 1)


def test_every_score_is_tried_and_not_a_few_quantiles():
    """A thousand false positives below and above a single lesion; ten above fit the budget."""
    says = [*np.linspace(0.99, 0.9, 10), 0.895, *np.linspace(0.89, 0.3, 400)]
    probability = np.zeros((3 * len(says), 3, 3))
    probability[::3, 1, 1] = says
    reference = np.zeros(probability.shape, np.int32)
    reference[30, 1, 1] = 1
    choice = choose_operating_point([(semantic(probability), reference)], "fp_per_scan=10")
    assert (choice.recall, choice.fp_per_scan) == (1, 10)


def test_a_recall_that_none_reaches_takes_the_largest_there_is():
    choice = choose_operating_point([spots(0.9, 0.0, lesions=2)], "recall=0.9")
    assert choice.recall == 0.5


def test_where_no_threshold_finds_a_lesion_the_false_positives_are_said():
    """One lesion without an answer, three false positives at 0.5 and above."""
    probability = np.zeros((20, 4, 4))
    probability[4:16:4, 1, 1] = 0.9
    reference = np.zeros(probability.shape, np.int32)
    reference[0, 0, 0] = 1
    choice = choose_operating_point([(semantic(probability), reference)], "fp_per_scan=2")
    assert choice.point == OperatingPoint(0.5, 0.5)
    assert choice.words == (
        "no threshold finds a lesion; 0.5 kept; recall 0.00, 3.0 false positives a scan"
    )


def test_a_budget_in_which_no_lesion_is_found_is_said():
    low = choose_operating_point([spots(0.0, 0.9, 0.9, lesions=1)], "max_f1")
    assert low.problem == "no threshold finds a lesion"
    late = spots(0.3, 0.9, lesions=1)
    choice = choose_operating_point([late], "fp_per_scan=0.5")
    assert choice.problem == "no threshold finds a lesion at 0.5 false positives a scan"
    assert choice.fp_per_scan == 1


def test_validation_without_a_lesion_has_no_recall_and_its_false_positives_counted():
    lesion_map, reference = two_spots(0.0, 0.9)
    reference[:] = 0
    choice = choose_operating_point([(lesion_map, reference)])
    assert choice.recall is None
    assert choice.words == (
        "validation holds no lesion: thresholds not chosen; 0.5 kept; recall -, 1.0 false "
        "positives a scan"
    )


@pytest.mark.parametrize(
    "text", ["fp_per_scan", "fp_per_scan=-1", "recall=0", "recall=1.5", "best", "max_f1=2", ""]
)
def test_a_rule_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="want"):
        threshold_rule(text)
