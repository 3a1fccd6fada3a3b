"""Models compared at one number of false positives, over scores set by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation import match_candidates
from lesionseg.evaluation.froc_summary import summarise_candidates
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.tables.matched import matched_sentence, matched_target
from lesionseg.size_buckets import SizeBuckets

BUCKETS = SizeBuckets.from_edges((3, 5, 10))
SHAPE = (40, 12, 12)


def scan(hits, false_positives, num_lesions=4):
    """Lesions of 8 mm3, one every 8 voxels; the first `hits` scored .9, false ones at the scores
    given."""
    truth, found, scores = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.int32), {}
    for n in range(num_lesions):
        truth[8 * n : 8 * n + 2, 0:2, 0:2] = n + 1
    for n in range(hits):
        found[8 * n : 8 * n + 2, 0:2, 0:2] = n + 1
        scores[n + 1] = 0.9
    for n, score in enumerate(false_positives):
        number = 100 + n
        found[2 * n, 8, 8] = number
        scores[number] = score
    return match_candidates(truth, found, scores)


def compared(**models):
    """Each model: a list of scans, one a patient."""
    candidates = {
        name: {f"case{i}": one for i, one in enumerate(scans)} for name, scans in models.items()
    }
    patients = {f"case{i}": f"p{i}" for scans in models.values() for i in range(len(scans))}
    table, curves = summarise_candidates(candidates, patients, BUCKETS, draws=50)
    return Summary(table), curves


def test_recall_is_that_at_the_matched_number_and_not_at_all_scores():
    """Two false positives a scan score above all lesions but one of the second model's scans."""
    many = [scan(4, [0.95, 0.95, 0.95]), scan(4, [0.95, 0.95, 0.95])]  # hits come after 3 a scan
    few = [scan(3, [0.5, 0.5, 0.5]), scan(2, [0.5, 0.5, 0.5])]
    summary, curves = compared(many=many, few=few)
    said = matched_sentence(summary, curves, BUCKETS)
    assert said is not None
    assert said.startswith("At 2 false positives a scan, many found 0 %, few 62 % of 8 lesions")
    assert "(difference \u221262 points, 95 % interval" in said
    assert said.endswith("under 3 mm (8): many 0 %, few 62 %.")


def test_where_a_curve_ends_earlier_the_largest_number_that_both_reach_is_taken():
    """The second model has one false positive in two scans: 1/2 a scan."""
    summary, curves = compared(a=[scan(4, [0.5] * 3)] * 2, b=[scan(4, [0.5]), scan(4, [])])
    assert matched_target(curves, ["a", "b"]) == 0.5
    said = matched_sentence(summary, curves, BUCKETS)
    assert said is not None
    assert said.startswith("At 0.5 false positives a scan, a found 100 %, b 100 % of 8 lesions")


def test_one_model_has_an_interval_of_its_own():
    summary, curves = compared(only=[scan(4, [0.5] * 3), scan(2, [0.5] * 3)])
    said = matched_sentence(summary, curves, BUCKETS)
    assert said is not None
    assert "only found 75 % of 8 lesions (95 % interval 50 to 100)" in said


@pytest.mark.parametrize("curves", [pd.DataFrame(), None])
def test_without_scores_or_a_common_number_nothing_is_said(curves):
    summary, own = compared(a=[scan(4, [])] * 2)  # no false positive at all: no number to match
    given = own if curves is None else curves
    assert matched_sentence(summary, given, BUCKETS) is None


def test_without_lesions_nothing_is_said():
    summary, curves = compared(a=[scan(0, [0.5] * 3, num_lesions=0)] * 2)
    assert matched_sentence(summary, curves, BUCKETS) is None
