"""Lesions cut in parts, predictions over several, and those that touch without finding."""

import numpy as np
import pandas as pd

from lesionseg.evaluation import SizeBuckets, evaluate_case
from lesionseg.evaluation.summary import summarise

BUCKETS = SizeBuckets.from_edges()


def scored():
    """Lesion 1 of 20 voxels is cut in two, 2 and 3 are covered by one, 4 is touched at a corner."""
    reference, prediction = np.zeros((40, 6, 6), np.int32), np.zeros((40, 6, 6), np.int32)
    reference[0:5, 0:2, 0:2] = 1
    prediction[0:2, 0:2, 0:2] = 1
    prediction[3:5, 0:2, 0:2] = 2
    reference[10:12, 0:2, 0:2] = 2
    reference[13:15, 0:2, 0:2] = 3
    prediction[10:15, 0:2, 0:2] = 3
    reference[20:24, 0:4, 0:4] = 4
    prediction[23:25, 3:5, 3:5] = 4
    return evaluate_case(reference, prediction, (1, 1, 1), prediction_instances=True)


def test_splits_and_merges_are_counted_by_hand():
    case = scored().case
    assert (case["num_split"], case["num_merged"]) == (1, 1)
    empty = np.zeros((3, 3, 3), int)
    nothing = evaluate_case(empty, empty, (1, 1, 1)).case
    assert (nothing["num_split"], nothing["num_merged"]) == (0, 0)


def test_a_prediction_that_touches_and_finds_nothing_is_neither_hit_nor_false_positive():
    """One voxel of 64 and 8: IoU 1/71. It counts in the bucket of its own 8 mm3."""
    result = scored()
    key = {"model": "net", "case": "a", "patient": "a"}
    tables = [t.assign(**key) for t in (result.lesions, result.predictions)]
    summary = summarise(*tables, pd.DataFrame([key | result.case]), BUCKETS, draws=10)
    pooled = summary[summary["average"] == "pooled"].set_index(["metric", "bucket"])["value"]
    assert pooled["finding_nothing_per_scan", "tiny"] == 1
    assert pooled["finding_nothing_per_scan", "all"] == 1
    assert pooled["finding_nothing_per_scan", "medium"] == 0
    assert pooled["fp_per_scan", "all"] == 0
