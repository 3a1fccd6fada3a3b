"""Several classes: each as one alone, all together, and which is taken for which."""

import numpy as np
import pytest
from random_masks import SHAPE as SMALL
from random_masks import draw_ids

from lesionseg.evaluation import evaluate_case, evaluate_classes
from lesionseg.evaluation.candidates import join_candidates, match_candidates
from lesionseg.evaluation.case import CaseScores
from lesionseg.evaluation.classes import class_masks, classes_together, score_classes
from lesionseg.evaluation.confusion import class_confusion

UNIT = (1.0, 1.0, 1.0)


def parts_of(reference, prediction, values, **options):
    masks = class_masks(
        reference, prediction, values, reference_ids=None, prediction_ids=None, scores=None
    )
    return dict(score_classes(masks, UNIT, **options))


def two_lesions():
    """Class 1 at the left, class 2 right beside it, each of 8 voxels."""
    mask = np.zeros((12, 8, 8), np.uint8)
    mask[2:4, 2:4, 2:4], mask[4:6, 2:4, 2:4] = 1, 2
    return mask


@pytest.mark.parametrize("seed", range(20))
def test_each_class_is_scored_as_alone(seed):
    generator = np.random.default_rng(seed)
    reference, prediction = draw_ids(generator, 6), draw_ids(generator, 6)
    classes = {"a": 1, "b": (2, 3), "outer": (4, 5, 6), "inner": 5}
    found = evaluate_classes(reference, prediction, (1, 1, 3), classes)
    assert list(found) == list(classes)
    for name, values in classes.items():
        one, other = (np.isin(mask, np.atleast_1d(values)) for mask in (reference, prediction))
        alone = evaluate_case(one, other, (1, 1, 3))
        np.testing.assert_equal(found[name].case, alone.case)
        kept = ["kind", "volume_mm3", "region_dice", "lesion_dice", "found", "iou"]
        assert found[name].lesions[kept].equals(alone.lesions[kept]), name


def test_touching_lesions_of_two_classes_are_two_and_numbered_on():
    mask = two_lesions()
    found = evaluate_classes(mask, mask, UNIT, {"a": 1, "b": 2})
    assert found["a"].lesions["lesion_id"].tolist() == [1]
    assert found["b"].lesions["lesion_id"].tolist() == [2]
    assert found["b"].predictions["lesion_id"].tolist() == [2]


def test_ids_part_lesions_of_a_class_that_touch():
    mask = (two_lesions() > 0).astype(np.uint8)
    ids = two_lesions()
    assert evaluate_classes(mask, mask, UNIT, {"a": 1})["a"].case["num_reference"] == 1
    both = evaluate_classes(mask, mask, UNIT, {"a": 1}, reference_ids=ids, prediction_ids=ids)
    assert both["a"].case["num_found"] == 2


def test_ids_of_regions_are_given_by_name():
    mask = two_lesions()
    regions = {"whole": (1, 2), "core": 2}
    with pytest.raises(ValueError, match="give their ids by name"):
        evaluate_classes(mask, mask, UNIT, regions, prediction_ids=mask)
    ids = {"whole": np.full(mask.shape, 7), "core": np.full(mask.shape, 9)}
    found = evaluate_classes(
        mask, mask, UNIT, regions, prediction_ids=ids, scores={7: 0.5, 9: 0.25}
    )
    assert found["whole"].lesions["score"].tolist() == [0.5]
    assert found["core"].lesions["score"].tolist() == [0.25]
    assert found["whole"].lesions["volume_mm3"].tolist() == [16]


def test_together_a_voxel_and_a_lesion_count_for_their_own_class_alone():
    """Class 1 is found, class 2 is predicted as class 1: 8 of 16 voxels, one of two lesions."""
    reference = two_lesions()
    prediction = np.minimum(reference, 1)
    parts = parts_of(reference, prediction, {"a": (1,), "b": (2,)})
    scores = CaseScores.of(classes_together(list(parts.values())))
    assert scores.case["dice"] == 2 * 8 / (16 + 16)
    assert (scores.case["num_reference"], scores.case["num_found"]) == (2, 1)
    assert scores.case["num_false_positive"] == 0  # the one prediction lies on class 1
    assert scores.case["hd95_mm"] == np.inf  # nothing is predicted as class 2
    assert scores.case["reference_volume_mm3"] == 16
    assert scores.lesions["found"].tolist() == [True, False]


@pytest.mark.parametrize("seed", range(20))
def test_together_is_the_case_in_which_classes_lie_far_apart(seed):
    """Each class in a block of its own, too far from the next for anything to meet."""
    generator = np.random.default_rng(100 + seed)
    reference, prediction = draw_ids(generator, 5), draw_ids(generator, 5)
    parts = parts_of(reference, prediction, {"a": (1, 2), "b": (3, 4, 5)})
    together = CaseScores.of(classes_together(list(parts.values()))).case
    gap = 1000
    apart = []
    for mask in (reference, prediction):
        wide = np.zeros((2 * SMALL[0] + gap, *SMALL[1:]), bool)
        wide[: SMALL[0]], wide[SMALL[0] + gap :] = np.isin(mask, (1, 2)), mask > 2
        apart.append(wide)
    expected = evaluate_case(*apart, UNIT).case
    free = {"num_voxels"}
    if not all(p.surfaces for p in parts.values()):
        free.add("hd95_mm")  # infinite there, about a thousand here
    for key in set(expected) - free:
        np.testing.assert_allclose(together[key], expected[key], err_msg=key)


def test_a_lesion_goes_to_the_class_it_shares_most_voxels_with():
    reference = np.zeros((20, 8, 8), np.uint8)
    prediction = reference.copy()
    reference[2:6, 2, 2] = 1
    prediction[2:3, 2, 2], prediction[3:6, 2, 2] = 1, 2  # one voxel of its own class, three of 2
    reference[10:12, 2, 2] = 2  # missed
    reference[15, 2, 2] = prediction[15, 2, 2] = 2  # found
    prediction[18, 6, 6] = 1  # false positive
    parts = parts_of(reference, prediction, {"a": (1,), "b": (2,)})
    table = class_confusion(parts)
    counts = {tuple(row[:2]): row[2] for row in table.itertuples(index=False, name=None)}
    assert counts == {("a", "b"): 1, ("b", "missed"): 1, ("b", "b"): 1, ("none", "a"): 1}


def test_confusion_without_any_lesion_is_empty():
    nothing = np.zeros((4, 4, 4), np.uint8)
    assert class_confusion(parts_of(nothing, nothing, {"a": (1,), "b": (2,)})).empty


def test_joined_candidates_hit_their_own_class():
    reference = two_lesions()
    ids = np.where(reference > 0, 3 - reference.astype(int), 0)  # candidate 2 lies on class 1
    joined = join_candidates(
        [
            match_candidates(reference == 1, np.where(ids == 2, 2, 0), {2: 0.5}, first_id=1),
            match_candidates(reference == 2, np.where(ids == 2, 2, 0), {2: 0.5}, first_id=2),
            match_candidates(reference == 3, np.where(ids == 1, 1, 0), {1: 0.25}, first_id=3),
        ]
    )
    assert joined.owner.tolist() == [1, 0, 0]
    assert joined.reference_ids.tolist() == [1, 2]
    assert joined.pair_candidate.tolist() == joined.pair_reference.tolist() == [0]
