"""Hand-computed values of the per-case metrics, and what they do with nothing."""

import math

import numpy as np
import pytest

from lesionseg.evaluation import evaluate_case, evaluate_classes

UNIT = (1.0, 1.0, 1.0)
SHAPE = (24, 24, 24)


def boxes(*corners, shape=SHAPE, ids=False):
    """A mask with a box for each (start, size); values 1, or 1, 2, 3 ... with `ids`."""
    mask = np.zeros(shape, np.int32)
    for i, (start, size) in enumerate(corners, 1):
        mask[tuple(slice(s, s + n) for s, n in zip(start, size))] = i if ids else 1
    return mask


def test_one_lesion_shifted_by_one_voxel():
    reference = boxes(((5, 5, 5), (4, 4, 4)))  # 64 voxels, 48 of them shared
    result = evaluate_case(reference, np.roll(reference, 1, axis=0), UNIT)
    lesion = result.lesions.iloc[0]
    assert result.case["dice"] == pytest.approx(48 / 64)
    assert lesion["lesion_dice"] == pytest.approx(48 / 64)
    assert lesion["region_dice"] == pytest.approx(48 / 64)
    assert lesion["iou"] == pytest.approx(48 / 80)
    assert lesion["bucket"] == "small"
    assert lesion["diameter_mm"] == pytest.approx((6 * 64 / math.pi) ** (1 / 3))
    assert result.case["pq"] == pytest.approx(48 / 80)
    assert result.case["sq"] == pytest.approx(48 / 80)
    assert result.case["rq"] == 1
    assert result.case["nsd_1mm"] == 1
    assert result.case["hd95_mm"] == 1
    assert result.case["volume_difference_mm3"] == 0


def test_two_lesions_one_prediction():
    """The prediction is given to the lesion it shares more with; the other is missed."""
    reference = boxes(((2, 2, 2), (2, 2, 2)), ((6, 2, 2), (2, 2, 3)))  # 8 and 12 voxels
    prediction = boxes(((2, 2, 2), (6, 2, 3)))  # 36 voxels over both
    result = evaluate_case(reference, prediction, UNIT)
    small, large = result.lesions.iloc[0], result.lesions.iloc[1]
    assert (small["found"], large["found"]) == (False, True)
    assert small["lesion_dice"] == 0
    assert large["lesion_dice"] == pytest.approx(2 * 12 / (12 + 36))
    assert large["iou"] == pytest.approx(12 / 36)
    assert large["prediction_ids"] == "1"
    assert small["prediction_ids"] == ""
    assert result.case["num_false_positive"] == 0
    assert (result.case["recall"], result.case["precision"]) == (0.5, 1)
    # The 4 voxels above lesion 1 are in its region, and so is the gap's column x = 4 (6 voxels, at
    # most sqrt 2 from lesion 1, 2 from lesion 2); column x = 5 (6 voxels) is nearer to lesion 2.
    assert small["region_dice"] == pytest.approx(2 * 8 / (8 + 8 + 4 + 6))
    assert large["region_dice"] == pytest.approx(2 * 12 / (12 + 12 + 6))


def test_one_lesion_two_predictions():
    """Both are assigned to the lesion and measured together; neither is a false positive."""
    reference = boxes(((4, 4, 4), (8, 2, 2)))  # 32 voxels
    prediction = boxes(((4, 4, 4), (3, 2, 2)), ((9, 4, 4), (3, 2, 2)))  # 12 and 12
    result = evaluate_case(reference, prediction, UNIT)
    lesion = result.lesions.iloc[0]
    assert len(result.lesions) == 1
    assert lesion["lesion_dice"] == pytest.approx(2 * 24 / (32 + 24))
    assert lesion["iou"] == pytest.approx(24 / 32)
    assert lesion["prediction_ids"] == "1 2"
    assert result.case["num_false_positive"] == 0
    assert result.case["f1"] == 1
    # One to one: 12/32 < 0.5, so no match above 0.5; one of the two above 0.1.
    assert result.case["pq"] == 0
    assert math.isnan(result.case["sq"])
    assert result.case["pq_iou10"] == pytest.approx(12 / 32 / (1 + 0.5))
    assert result.case["rq_iou10"] == pytest.approx(1 / 1.5)


def test_touching_instances_given_as_ids_stay_apart():
    reference = boxes(((4, 4, 4), (2, 2, 2)), ((6, 4, 4), (2, 2, 2)), ids=True)
    result = evaluate_case(reference, reference, UNIT)
    assert result.case["num_reference"] == result.case["num_found"] == 2
    assert evaluate_case(reference > 0, reference > 0, UNIT).case["num_reference"] == 1


def test_one_id_in_two_pieces_is_one_lesion_when_said_to_be_instances():
    reference = boxes(((2, 2, 2), (2, 2, 2)))
    prediction = boxes(((2, 2, 2), (2, 2, 2)), ((10, 10, 10), (2, 2, 2)))
    assert evaluate_case(reference, prediction, UNIT).case["num_false_positive"] == 1
    whole = evaluate_case(reference, prediction, UNIT, prediction_instances=True)
    assert whole.case["num_false_positive"] == 0
    assert whole.lesions["lesion_dice"][0] == pytest.approx(2 * 8 / 24)


def test_four_hundred_lesions_predicted_perfectly():
    """More than 255 ids: every lesion is found and none is a false positive."""
    reference = np.zeros((60, 60, 36), np.int32)
    corners = [(x, y, z) for x in range(1, 60, 6) for y in range(1, 60, 6) for z in (1, 10, 19, 28)]
    for i, (x, y, z) in enumerate(corners, 1):
        reference[x : x + 2, y : y + 2, z : z + 2] = i
    assert len(corners) == 400
    for mask in (reference, (reference > 0).astype(np.uint8)):
        result = evaluate_case(mask, mask, UNIT)
        assert result.case["num_reference"] == 400
        assert result.case["recall"] == result.case["f1"] == result.case["pq"] == 1
        assert result.case["num_false_positive"] == 0
        assert len(result.lesions) == 400
        assert (result.lesions["region_dice"] == 1).all()
        assert result.case["brats_lesion_dice"] == 1


def test_a_false_positive_falls_in_the_bucket_of_its_own_volume():
    reference = boxes(((2, 2, 2), (10, 10, 5)))  # 500 voxels: medium
    prediction = boxes(((2, 2, 2), (10, 10, 5)), ((18, 18, 18), (2, 2, 2)))  # and 8: tiny
    rows = evaluate_case(reference, prediction, UNIT).lesions
    assert list(rows["kind"]) == ["reference", "false_positive"]
    assert list(rows["bucket"]) == ["medium", "tiny"]
    assert rows["volume_mm3"][1] == 8
    assert not rows["found"][1]
    assert math.isnan(rows["lesion_dice"][1])


@pytest.mark.parametrize(("edge", "bucket"), [(3, "small"), (5, "medium"), (10, "large")])
def test_a_lesion_of_exactly_an_edges_volume_falls_in_the_upper_bucket(edge, bucket):
    reference = boxes(((4, 4, 4), (2, 3, 1)))  # 6 voxels, together the sphere's volume
    side = (math.pi / 6 * edge**3 / 6) ** (1 / 3)
    assert evaluate_case(reference, reference, (side,) * 3).lesions["bucket"][0] == bucket
    shrunk = (side * 0.9999,) * 3
    assert evaluate_case(reference, reference, shrunk).lesions["bucket"][0] != bucket


def test_anisotropic_spacing_counts_in_millimetres():
    """0.5 x 0.5 x 3 mm: 4 x 4 x 1 voxels are 12 mm3; a shift of a slice is 3 mm."""
    spacing = (0.5, 0.5, 3.0)
    reference = boxes(((8, 8, 8), (4, 4, 1)))
    result = evaluate_case(reference, np.roll(reference, 1, axis=2), spacing)
    assert result.lesions["volume_mm3"][0] == pytest.approx(12)
    assert result.lesions["bucket"][0] == "tiny"
    assert result.case["hd95_mm"] == 3
    assert result.case["nsd_1mm"] == 0
    in_plane = evaluate_case(reference, np.roll(reference, 1, axis=0), spacing)
    assert in_plane.case["hd95_mm"] == 0.5
    assert in_plane.case["nsd_1mm"] == 1
    # A predicted voxel 2 slices (6 mm) from one lesion, 8 columns (4 mm) from another: the other's.
    two = boxes(((4, 4, 4), (1, 1, 1)), ((12, 4, 6), (1, 1, 1)))
    split = boxes(((4, 4, 4), (1, 1, 1)), ((12, 4, 6), (1, 1, 1)), ((4, 4, 6), (1, 1, 1)))
    dice = evaluate_case(two, split, spacing).lesions["region_dice"]
    assert list(dice[:2]) == pytest.approx([1, 2 / 3])


def test_centroids_are_world_coordinates_of_the_affine():
    reference = boxes(((4, 6, 8), (2, 2, 2)))  # centre at index (4.5, 6.5, 8.5)
    affine = np.array([[-0.5, 0, 0, 10], [0, 0, 2, -5], [0, 1, 0, 3], [0, 0, 0, 1]], float)
    row = evaluate_case(reference, reference, (0.5, 1, 2), affine=affine).lesions.iloc[0]
    centre = [row[f"centroid_{a}_mm"] for a in "ras"]
    assert centre == pytest.approx([10 - 2.25, -5 + 17, 3 + 6.5])
    row = evaluate_case(reference, reference, (0.5, 1, 2)).lesions.iloc[0]
    assert [row[f"centroid_{a}_mm"] for a in "ras"] == pytest.approx([2.25, 6.5, 17])


def test_scores_go_to_the_lesion_they_support():
    reference = boxes(((4, 4, 4), (8, 2, 2)))
    prediction = boxes(
        ((4, 4, 4), (3, 2, 2)), ((9, 4, 4), (3, 2, 2)), ((18, 18, 18), (2, 2, 2)), ids=True
    )
    rows = evaluate_case(reference, prediction, UNIT, scores={1: 0.4, 2: 0.9, 3: 0.2}).lesions
    assert list(rows["score"]) == [0.9, 0.2]
    assert list(rows["lesion_id"]) == [1, 3]


def test_tie_in_voxels_goes_to_the_larger_iou():
    """A prediction shares 4 voxels with each of two; the smaller lesion has the larger IoU."""
    reference = boxes(((2, 2, 2), (8, 2, 2)), ((12, 2, 2), (2, 2, 2)), ids=True)  # 32 and 8 voxels
    prediction = boxes(((9, 2, 2), (4, 2, 2)), ids=True)
    rows = evaluate_case(reference, prediction, UNIT).lesions
    assert list(rows["prediction_ids"]) == ["", "1"]


def test_found_needs_an_iou_of_a_tenth():
    reference = boxes(((2, 2, 2), (10, 10, 1)))  # 100 voxels
    assert evaluate_case(reference, boxes(((2, 2, 2), (10, 1, 1))), UNIT).lesions["found"][0]
    nine = boxes(((2, 2, 2), (9, 1, 1)))
    assert not evaluate_case(reference, nine, UNIT).lesions["found"][0]
    assert evaluate_case(reference, nine, UNIT, found_iou=0).lesions["found"][0]


def test_classes_are_scored_apart():
    """Class 2 touches class 1 and is predicted as class 1: missed there, found nowhere."""
    reference = boxes(((4, 4, 4), (2, 2, 2)), ((6, 4, 4), (2, 2, 2)), ids=True)
    prediction = boxes(((4, 4, 4), (4, 2, 2)))
    by_class = evaluate_classes(reference, prediction, UNIT, {"core": 1, "rim": 2}, found_iou=0.3)
    assert by_class["core"].lesions["iou"].tolist() == [0.5]
    assert by_class["core"].case["num_false_positive"] == 0
    assert by_class["rim"].case["recall"] == 0
    assert by_class["rim"].case["num_predicted"] == 0


EMPTY = np.zeros(SHAPE, np.uint8)
LESION = boxes(((4, 4, 4), (2, 2, 2)))


def test_both_empty_is_undefined():
    result = evaluate_case(EMPTY, EMPTY, UNIT)
    for name in ("dice", "f1", "pq", "nsd_1mm", "hd95_mm", "recall", "precision"):
        assert math.isnan(result.case[name]), name
    assert math.isnan(result.case["brats_lesion_dice"])
    assert result.case["num_false_positive"] == 0
    assert len(result.lesions) == len(result.predictions) == 0
    assert "region_dice" in result.lesions


def test_reference_empty_prediction_not():
    result = evaluate_case(EMPTY, LESION, UNIT)
    assert result.case["dice"] == result.case["f1"] == result.case["pq"] == 0
    assert result.case["num_false_positive"] == 1
    assert math.isnan(result.case["recall"])
    assert result.case["precision"] == 0
    assert result.case["nsd_1mm"] == 0
    assert result.case["hd95_mm"] == math.inf
    assert math.isnan(result.case["relative_volume_difference"])
    assert list(result.lesions["kind"]) == ["false_positive"]


def test_prediction_empty_reference_not():
    result = evaluate_case(LESION, EMPTY, UNIT)
    assert result.case["dice"] == result.case["recall"] == result.case["f1"] == 0
    assert math.isnan(result.case["precision"])
    assert result.case["hd95_mm"] == math.inf
    assert result.case["nsd_1mm"] == 0
    row = result.lesions.iloc[0]
    assert not row["found"]
    assert row["lesion_dice"] == row["region_dice"] == row["iou"] == 0
    assert math.isnan(row["score"])


def test_neither_empty_but_apart():
    result = evaluate_case(LESION, np.roll(LESION, 10, axis=0), UNIT)
    assert result.case["dice"] == result.case["recall"] == result.case["precision"] == 0
    assert result.case["hd95_mm"] == 10
    assert list(result.lesions["kind"]) == ["reference", "false_positive"]
    # The prediction lies in the only region there is.
    assert result.lesions["region_dice"][0] == 0


def test_lesions_at_the_border_of_the_array_are_kept():
    reference = np.zeros((4, 4, 4), np.uint8)
    reference[0, 0, 0] = reference[3, 3, 3] = 1
    result = evaluate_case(reference, reference, UNIT)
    assert result.case["num_found"] == 2
    assert result.case["nsd_1mm"] == 1


def test_half_voxel_dice_of_a_voxel_and_of_a_row():
    """One voxel shares half of itself; a row of four shares 3.5 along and 2 across of its 4."""
    reference = boxes(((2, 2, 2), (1, 1, 1)), ((8, 8, 8), (4, 1, 1)))
    rows = evaluate_case(reference, reference, UNIT).lesions
    assert list(rows["half_voxel_dice"]) == pytest.approx([0.5, (3.5 + 2 + 2) / 3 / 4])


def test_brats_lesion_dice_merges_near_lesions_and_counts_false_positives():
    """Two boxes two voxels apart are one lesion after dilation; a far prediction counts as 0."""
    reference = boxes(((2, 2, 2), (2, 2, 2)), ((6, 2, 2), (2, 2, 2)))
    prediction = boxes(((2, 2, 2), (2, 2, 2)), ((18, 18, 18), (2, 2, 2)))
    result = evaluate_case(reference, prediction, UNIT)
    assert result.case["brats_lesion_dice"] == pytest.approx((2 * 8 / (16 + 8) + 0) / 2)


@pytest.mark.parametrize("second", [(6, 6, 2), (6, 2, 6), (2, 6, 6), (6, 6, 6)])
def test_brats_dilation_reaches_along_edges_but_not_corners(second):
    """Boxes two voxels apart across an edge meet after dilation; across a corner they do not."""
    one = ((2, 2, 2), (2, 2, 2))
    both = evaluate_case(boxes(one, (second, (2, 2, 2))), boxes(one), UNIT)
    together, apart = 2 * 8 / (16 + 8), (1 + 0) / 2
    expected = apart if second == (6, 6, 6) else together
    assert both.case["brats_lesion_dice"] == pytest.approx(expected)


def test_masks_that_cannot_be_scored_are_refused():
    with pytest.raises(TypeError, match="reference holds fractions"):
        evaluate_case(LESION * 0.5, LESION, UNIT)
    with pytest.raises(ValueError, match=r"\(24, 24, 24\).*\(24, 24, 23\)"):
        evaluate_case(LESION, LESION[:, :, 1:], UNIT)
    with pytest.raises(ValueError, match="spacing"):
        evaluate_case(LESION, LESION, (1, 0, 1))
    with pytest.raises(ValueError, match="-1"):
        evaluate_case(-LESION, LESION, UNIT)
    with pytest.raises(ValueError, match="ascending"):
        evaluate_case(LESION, LESION, UNIT, edges_mm=(5, 3))
    with pytest.raises(ValueError, match="connectivity"):
        evaluate_case(LESION, LESION, UNIT, connectivity=8)
