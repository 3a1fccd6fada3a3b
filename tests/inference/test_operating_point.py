import numpy as np
import pytest
from threshold_maps import choose_operating_point, semantic, spots, two_spots

from lesionseg.evaluation import match_candidates
from lesionseg.inference.lesion_maps import keep_scored, lesions_at
from lesionseg.inference.operating_point import VOXEL_THRESHOLDS, count_at
from lesionseg.structures import LesionMap, OperatingPoint


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
    counts = count_at([matched], 0.5)
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


def random_scan(seed, *, conditional):
    """Lesions, and a prediction that finds some, misses some and invents some."""
    rng = np.random.default_rng(seed)
    shape = (18, 9, 9)
    reference, ids = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    probability = np.zeros(shape)
    places = [(x, y, z) for x in (1, 7, 13) for y in (1, 5) for z in (1, 5)]
    for number, (x, y, z) in enumerate(places, 1):
        kind, side = rng.integers(0, 4), rng.integers(1, 4)
        box = slice(x, x + side), slice(y, y + side), slice(z, z + side)
        if kind != 3:
            reference[box] = number
        if kind != 0:
            shifted = slice(x + rng.integers(0, 2), x + side + 1), *box[1:]
            ids[shifted] = number
            probability[shifted] = rng.uniform(0.05, 1, probability[shifted].shape)
    scores = {int(i): float(s) for i, s in zip(np.unique(ids[ids > 0]), rng.random(20))}
    if not conditional:
        return semantic(probability), reference
    return LesionMap(probability.astype(np.float32), ids, scores, np.eye(4), True), reference


def slow_score(scans, voxel_threshold, score_threshold):
    """(quality, recall, false positives a scan) of masks drawn at these thresholds."""
    found = dice = false = lesions = 0
    for lesion_map, reference in scans:
        ids, scores = lesions_at(lesion_map.probability, voxel_threshold, lesion_map)
        ids = np.where(np.isin(ids, [i for i, s in scores.items() if s >= score_threshold]), ids, 0)
        truths = [reference == i for i in np.unique(reference[reference > 0])]
        unions = [np.zeros(ids.shape, bool) for _ in truths]
        for i in np.unique(ids[ids > 0]):
            shared = [((ids == i) & truth).sum() for truth in truths]
            if not any(shared):
                false += 1
                continue
            best = max(
                range(len(truths)),
                key=lambda k: (shared[k], shared[k] / ((ids == i) | truths[k]).sum(), -k),
            )
            unions[best] |= ids == i
        lesions += len(truths)
        for truth, union in zip(truths, unions):
            both = (truth & union).sum()
            if both and both >= 0.1 * (truth | union).sum():
                found += 1
                dice += 2 * both / (truth.sum() + union.sum())
    f1 = 2 * found / max(found + false + lesions, 1)
    quality = f1 * dice / found if found else 0.0
    return quality, found / max(lesions, 1), false / len(scans)


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_thresholds_are_better_than_those_chosen(seed, conditional):
    scans = [random_scan(10 * seed + i, conditional=conditional) for i in range(3)]
    choice = choose_operating_point(scans)
    scores = {0.0}
    for lesion_map, _ in scans:
        for voxel_threshold in VOXEL_THRESHOLDS:
            scores |= set(
                lesions_at(lesion_map.probability, voxel_threshold, lesion_map)[1].values()
            )
    assert len(scores) > 10
    everywhere = {
        (voxel, score): slow_score(scans, voxel, score)
        for voxel in VOXEL_THRESHOLDS
        for score in sorted(scores)[:: max(1, len(scores) // 25)]
    }
    best = max(quality for quality, _, _ in everywhere.values())
    assert choice.quality > 0.1
    assert choice.quality >= best - 1e-9
    point = choice.point
    said = slow_score(scans, point.voxel_threshold, point.score_threshold)
    assert (choice.quality, choice.recall, choice.fp_per_scan) == pytest.approx(said)


def test_a_lesion_more_is_worth_some_false_positives_and_not_others():
    few = choose_operating_point([spots(0.95, 0.95, 0.15, 0.15, 0.15, lesions=3)])
    assert (few.recall, few.fp_per_scan) == (pytest.approx(2 / 3), 0)  # F1 4/5, not 6/8
    more = choose_operating_point([spots(0.95, 0.95, 0.15, 0.15, 0.15, lesions=4)])
    assert (more.recall, more.fp_per_scan) == (1, 1)  # F1 8/9, not 4/6


def test_of_equal_quality_the_one_with_fewer_false_positives_is_taken():
    says = 0.95, 0.15, 0.0, 0.15, 0.15, 0.15  # 1 of 3 without, or 2 of 3 with three: F1 1/2
    choice = choose_operating_point([spots(*says, lesions=3)])
    assert choice.quality == choice.f1 == pytest.approx(0.5)
    assert choice.fp_per_scan == 0


@pytest.mark.parametrize(("size", "found"), [(10, 1), (11, 0)])
def test_a_lesion_is_found_from_an_iou_of_a_tenth(size, found):
    reference = np.zeros((12, 1, 1), np.int32)
    reference[:size] = 1
    predicted = np.zeros_like(reference)
    predicted[0] = 1
    matched = match_candidates(reference, predicted, {1: 0.9}, reference_instances=True)
    counts = count_at([matched], 0.5)
    assert (counts.found, counts.false_positives, counts.lesions) == (found, 0, 1)
