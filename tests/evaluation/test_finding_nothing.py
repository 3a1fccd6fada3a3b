"""Predictions that touch a lesion and find none: neither hits nor false positives, but counted."""

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation import SizeBuckets, evaluate_case
from lesionseg.evaluation.summary import summarise


def six_small_under_one_large():
    """Six lesions of one voxel, and one prediction of 20 x 20 x 20 voxels over them all."""
    reference, prediction = np.zeros((2, 30, 30, 30), int)
    prediction[5:25, 5:25, 5:25] = 1
    for i in range(6):
        reference[7 + 3 * i, 10, 10] = 1
    prediction[0, 0, 0] = 1  # and a false positive
    return reference, prediction


def test_a_prediction_that_touches_lesions_and_finds_none_is_counted():
    scores = evaluate_case(*six_small_under_one_large(), (1, 1, 1), found_iou=0.1)
    numbers = ("num_reference", "num_found", "num_false_positive", "num_finding_nothing")
    assert [scores.case[key] for key in numbers] == [6, 0, 1, 1]
    assert scores.predictions.set_index("volume_mm3")["finds_nothing"].to_dict() == {
        1: False,
        8000: True,
    }


def test_where_any_overlap_finds_a_lesion_no_prediction_finds_nothing():
    scores = evaluate_case(*six_small_under_one_large(), (1, 1, 1), found_iou=0)
    assert scores.case["num_found"] == 1  # the one that the prediction is assigned to
    assert scores.case["num_finding_nothing"] == 0


def test_they_are_counted_by_their_own_size():
    scores = evaluate_case(*six_small_under_one_large(), (1, 1, 1))
    key = {"model": "net", "case": "a", "patient": "a"}
    tables = scores.lesions.assign(**key), scores.predictions.assign(**key)
    cases = pd.DataFrame([key | scores.case])
    summary = summarise(*tables, cases, SizeBuckets.from_edges(), draws=20)
    rows = summary.query("metric == 'finding_nothing_per_scan' and average == 'pooled'")
    expected = {"tiny": 0, "small": 0, "medium": 0, "large": 1, "all": 1}  # 8,000 mm3
    assert rows.set_index("bucket")["value"].to_dict() == expected


@pytest.mark.parametrize("found_iou", [2, -0.1, float("nan")])
def test_an_iou_that_cannot_be_is_refused(found_iou):
    mask = np.zeros((4, 4, 4), int)
    with pytest.raises(ValueError, match=r"found_iou is .*; it must be from 0 to 1"):
        evaluate_case(mask, mask, (1, 1, 1), found_iou=found_iou)
