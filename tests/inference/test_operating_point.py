import numpy as np
import pytest

from lesionseg.evaluation import match_candidates
from lesionseg.inference.lesion_maps import keep_scored, lesions_at
from lesionseg.inference.operating_point import choose_operating_point, count_at
from lesionseg.structures import LesionMap, OperatingPoint


def semantic(probability):
    empty = np.zeros(probability.shape, np.int32)
    return LesionMap(probability.astype(np.float32), empty, {}, np.eye(4), False)


def two_spots(left, right):
    """A lesion at the left, none at the right; the net says `left` and `right`."""
    probability = np.zeros((12, 5, 5))
    probability[2:4, 2:4, 2:4] = left
    probability[8:10, 2:4, 2:4] = right
    reference = np.zeros(probability.shape, np.int32)
    reference[2:4, 2:4, 2:4] = 1
    return semantic(probability), reference


def test_the_score_threshold_parts_a_lesion_from_a_false_positive():
    lesion_map, reference = two_spots(0.85, 0.65)
    choice = choose_operating_point([(lesion_map, reference)])
    assert choice.quality == choice.f1 == choice.recall == 1.0
    assert choice.fp_per_scan == 0.0
    voxel_threshold, score_threshold = choice.point.voxel_threshold, choice.point.score_threshold
    found, scores = lesions_at(lesion_map.probability, voxel_threshold, lesion_map)
    kept, _ = keep_scored(found, scores, score_threshold)
    np.testing.assert_array_equal(kept > 0, reference > 0)


def test_the_voxel_threshold_is_where_the_outline_fits():
    probability = np.zeros((12, 12, 12))
    probability[2:9, 2:9, 2:9] = 0.35
    probability[4:7, 4:7, 4:7] = 0.95
    reference = np.zeros(probability.shape, np.int32)
    reference[4:7, 4:7, 4:7] = 1
    choice = choose_operating_point([(semantic(probability), reference)])
    assert choice.point.voxel_threshold >= 0.4
    assert choice.quality == 1.0


def test_counts_add_up_over_scans():
    choice = choose_operating_point([two_spots(0.9, 0.0), two_spots(0.9, 0.9)])
    assert choice.num_cases == 2
    assert choice.num_lesions == 2
    assert choice.recall == 1.0
    assert choice.fp_per_scan == 0.5
    assert choice.f1 == pytest.approx(2 * 2 / (2 * 2 + 1))


@pytest.mark.parametrize("say", [0.0, 0.9])
def test_without_lesions_or_without_candidates_the_halves_are_kept(say):
    lesion_map, reference = two_spots(0.0, say)
    if say:
        reference[:] = 0  # no lesion, one false positive
    choice = choose_operating_point([(lesion_map, reference)])
    assert choice.point == OperatingPoint(0.5, 0.5)
    assert choice.quality == 0.0
    assert choose_operating_point([]).num_cases == 0


def test_counts_of_one_scan_by_hand():
    reference = np.zeros((20, 4, 4), np.int32)
    reference[0:4, :2, :2] = 1  # 16 voxels, 8 of them hit
    reference[6:14, :, :] = 2  # 128 voxels, 1 of them hit: IoU below 0.1
    predicted = np.zeros_like(reference)
    predicted[0:2, :2, :2] = 1
    predicted[6, 0, 0] = 2
    predicted[17:19, :2, :2] = 3
    predicted[16, 3, 3] = 4  # below the score threshold
    matched = match_candidates(
        reference, predicted, {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.1}, reference_instances=True
    )
    counts = count_at(matched, 0.5)
    assert (counts.found, counts.false_positives, counts.lesions) == (1, 1, 2)
    assert counts.dice == pytest.approx(2 * 8 / (16 + 8))
    assert counts.f1 == pytest.approx(2 * 1 / (1 + 1 + 2))
    assert counts.quality == pytest.approx(counts.f1 * 2 / 3)


def test_candidates_of_a_detector_keep_ids_and_scores():
    ids = np.zeros((6, 6, 6), np.int32)
    ids[1, 1, 1], ids[3, 3, 3] = 1, 2
    probability = np.where(ids == 1, 0.9, np.where(ids == 2, 0.4, 0)).astype(np.float32)
    lesion_map = LesionMap(probability, ids, {1: 0.8, 2: 0.7}, np.eye(4), True)
    found, scores = lesions_at(probability, 0.5, lesion_map)
    assert scores == {1: 0.8}
    assert found[1, 1, 1] == 1
    assert found.sum() == 1


def test_components_of_a_semantic_map_are_26_connected_and_scored_by_their_peak():
    probability = np.zeros((6, 6, 6))
    probability[1, 1, 1], probability[2, 2, 2], probability[5, 5, 5] = 0.6, 0.95, 0.7
    found, scores = lesions_at(probability.astype(np.float32), 0.5, semantic(probability))
    assert found[1, 1, 1] == found[2, 2, 2] != found[5, 5, 5]
    assert sorted(scores.values()) == pytest.approx([0.7, 0.95])


def test_kept_lesions_are_numbered_by_falling_score():
    ids = np.array([[[1, 2, 3, 0]]], np.int32)
    kept, scores = keep_scored(ids, {1: 0.5, 2: 0.2, 3: 0.9}, 0.5)
    np.testing.assert_array_equal(kept, [[[2, 0, 1, 0]]])
    assert scores == {1: 0.9, 2: 0.5}
