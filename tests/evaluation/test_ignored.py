"""Voxels that nobody judged: no lesion lies there, and a prediction there is no false positive."""

import numpy as np
import pytest
from random_masks import draw_ids

from lesionseg.evaluation import evaluate_case
from lesionseg.evaluation.candidates import match_candidates

UNIT = (1.0, 1.0, 1.0)
SHAPE = (30, 12, 12)


def masks(seed):
    """Random masks at the left of a scan whose right half is empty."""
    generator = np.random.default_rng(seed)
    reference, prediction = (np.zeros(SHAPE, np.int32) for _ in range(2))
    reference[:12, :11, :10] = draw_ids(generator, 4)
    prediction[:12, :11, :10] = draw_ids(generator, 4)
    ignored = np.zeros(SHAPE, bool)
    ignored[20:24, 4:8, 4:8] = True
    return reference, prediction, ignored


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("on_it", [0, 2, 4])
def test_an_ignored_lesion_changes_no_figure(seed, on_it):
    """on_it: voxels across that a prediction has there; of 4 x 4 x 2 x on_it half lie beside it."""
    reference, prediction, ignored = masks(seed)
    before = evaluate_case(reference, prediction, UNIT)
    prediction[24 - on_it : 24 + on_it, 4:8, 4:8] = 9 if on_it else 0
    after = evaluate_case(reference, prediction, UNIT, ignored=ignored)
    assert after.case.pop("num_on_ignored") == (1 if on_it else 0)
    before.case.pop("num_on_ignored")
    np.testing.assert_equal(after.case, before.case)
    assert after.lesions.equals(before.lesions)
    assert after.predictions.equals(before.predictions)


def test_of_a_prediction_less_than_half_on_ignored_voxels_the_rest_counts():
    reference, prediction, ignored = (np.zeros(SHAPE, bool) for _ in range(3))
    prediction[2:7, 2, 2] = True
    ignored[2:4, 2, 2] = True
    scores = evaluate_case(reference, prediction, UNIT, ignored=ignored)
    assert scores.case["num_on_ignored"] == 0
    assert scores.lesions["volume_mm3"].tolist() == [3]
    assert scores.case["predicted_volume_mm3"] == 3


def test_a_hit_whose_outline_lies_mostly_on_an_ignored_rim_is_a_hit():
    reference, prediction, ignored = (np.zeros(SHAPE, bool) for _ in range(3))
    reference[5:7, 5:7, 5:7] = True
    prediction[4:8, 4:8, 4:8] = True
    ignored[4:8, 4:8, 4:8] = True
    ignored[reference] = False
    scores = evaluate_case(reference, prediction, UNIT, ignored=ignored)
    assert scores.lesions["found"].tolist() == [True]
    assert scores.case["dice"] == 1
    assert scores.case["num_on_ignored"] == 0


def test_reference_voxels_that_are_ignored_belong_to_no_lesion():
    reference, ignored = (np.zeros(SHAPE, bool) for _ in range(2))
    reference[2:6, 2, 2] = True
    ignored[5] = True
    scores = evaluate_case(reference, reference, UNIT, ignored=ignored)
    assert scores.case["reference_volume_mm3"] == 3
    assert scores.case["dice"] == 1


def test_a_candidate_on_ignored_voxels_is_none():
    reference, _, ignored = masks(0)
    ids = np.zeros(SHAPE, np.int32)
    ids[20:24, 4:8, 4:8], ids[28, 2, 2] = 1, 2
    found = match_candidates(reference, ids, {1: 0.9, 2: 0.1}, ignored=ignored)
    assert found.ids.tolist() == [2]


def test_ignored_voxels_of_another_shape_are_refused():
    reference, prediction, _ = masks(0)
    with pytest.raises(ValueError, match="ignored has shape"):
        evaluate_case(reference, prediction, UNIT, ignored=np.zeros((2, 2, 2), bool))
