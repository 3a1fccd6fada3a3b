"""FROC and average precision on candidates counted by hand."""

import numpy as np
import pytest

from lesionseg.evaluation import (
    average_precision,
    match_candidates,
    operating_curve,
    recall_at,
)


def row_of_cubes(*cubes, length=60):
    """Ids along a row: (id, start, width), 2 x 2 voxels across."""
    ids = np.zeros((length, 6, 6), np.int32)
    for i, start, width in cubes:
        ids[start : start + width, 2:4, 2:4] = i
    return ids


@pytest.fixture
def scans():
    """Scan A: lesions of 8 and 16 voxels, hit at scores .9 and .6, false positives at .8 and .3.
    Scan B: no lesion, a false positive at .6. Scan C: a lesion of 8 voxels without any candidate.
    """
    a = match_candidates(
        row_of_cubes((1, 5, 2), (2, 20, 4)),
        row_of_cubes((1, 5, 2), (2, 21, 4), (3, 40, 2), (4, 50, 2)),
        {1: 0.9, 2: 0.6, 3: 0.8, 4: 0.3},
    )
    b = match_candidates(row_of_cubes(), row_of_cubes((7, 10, 3)), {7: 0.6})
    c = match_candidates(row_of_cubes((1, 5, 2)), row_of_cubes(), {})
    return [a, b, c]


def test_the_curve_counts_at_every_threshold(scans):
    curve = operating_curve(scans)
    assert list(curve.threshold) == [np.inf, 0.9, 0.8, 0.6, 0.3]
    assert list(curve.num_found) == [0, 1, 1, 2, 2]
    assert list(curve.num_false_positive) == [0, 0, 1, 2, 3]
    assert curve.recall == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert curve.fp_per_scan == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert curve.f1 == pytest.approx([0, 2 / 4, 2 / 5, 4 / 7, 4 / 8])
    assert curve.precision[1:] == pytest.approx([1, 1 / 2, 2 / 4, 2 / 5])


def test_recall_at_a_rate_takes_the_last_threshold_that_does_not_exceed_it(scans):
    curve = operating_curve(scans)
    recall, threshold = recall_at(curve, [0.2, 1 / 3, 0.6, 2 / 3, 8])
    assert recall == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert list(threshold) == [0.9, 0.8, 0.8, 0.6, 0.3]


def test_size_filters_the_reference_and_never_the_predictions(scans):
    small = operating_curve(scans, volume_range_mm3=(0, 16))
    assert small.num_reference == 2
    assert list(small.num_found) == [0, 1, 1, 1, 1]
    assert list(small.num_false_positive) == [0, 0, 1, 2, 3]


def test_a_second_candidate_can_spoil_the_iou():
    """8 lesion voxels hit exactly at .9; at .5 one of 80 voxels joins: IoU 8 / 84 is below .1."""
    reference = row_of_cubes((1, 22, 2))
    candidates = row_of_cubes((1, 22, 1), (2, 23, 20))
    scan = match_candidates(reference, candidates, {1: 0.9, 2: 0.5})
    assert list(operating_curve([scan]).num_found) == [0, 1, 0]
    assert list(operating_curve([scan], found_iou=0).num_found) == [0, 1, 1]


def test_average_precision_by_hand(scans):
    """Three lesions. At IoU .5 hits at .9 and .6 (12 of 20 voxels), false ones at .8, .6 and .3.

    Kept by threshold: 1 of 1, 1 of 2, 2 of 4 (a tie at .6), 2 of 5. Area: 1/3 * 1 + 1/3 * 1/2.
    """
    assert average_precision(scans, 0.5) == pytest.approx(1 / 3 + 1 / 6)
    assert average_precision(scans, 0.7) == pytest.approx(1 / 3)
    assert average_precision(scans[2:], 0.5) == 0
    assert np.isnan(average_precision(scans[1:2], 0.5))


def test_average_precision_counts_a_second_hit_of_one_lesion_as_false():
    reference = row_of_cubes((1, 10, 10))
    candidates = row_of_cubes((1, 10, 6), (2, 16, 4), (3, 40, 2))
    scan = match_candidates(reference, candidates, {1: 0.4, 2: 0.8, 3: 0.9})
    assert average_precision([scan], 0.1) == pytest.approx(1 / 2)
    assert average_precision([scan], 0.5) == pytest.approx(1 / 3)


def test_nothing_at_all():
    scan = match_candidates(row_of_cubes(), row_of_cubes(), {})
    curve = operating_curve([scan])
    assert list(curve.threshold) == [np.inf]
    assert np.isnan(curve.recall).all()
    assert list(curve.fp_per_scan) == [0]


def test_a_candidate_without_a_score_is_refused():
    with pytest.raises(ValueError, match="candidate 7"):
        match_candidates(row_of_cubes(), row_of_cubes((7, 3, 2)), {})
