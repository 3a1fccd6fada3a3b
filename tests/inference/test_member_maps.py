"""The maps of several members of an ensemble as one, on small grids, by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lesionseg.inference.member_maps import joined_maps
from lesionseg.structures import LesionMap

SHAPE = (10, 10, 4)
BLOCK = np.s_[2:6, 2:6, 1:3]  # 32 voxels
MOVED = np.s_[3:7, 2:6, 1:3]  # shares 24 of them: IoU 0.6
APART = np.s_[5:9, 2:6, 1:3]  # shares 8: IoU 1/7, less than 0.2
FAR = np.s_[8:10, 8:10, 0:2]


def detected(*lesions, faint=(), affine=None):
    """lesions: index of the voxels, score, mask. faint: voxels of a mask of 0.2 that has no id."""
    ids, probability = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.float32)
    for where in faint:
        probability[where] = 0.2
    for number, (where, _, mask) in enumerate(lesions, 1):
        ids[where] = number
        probability[where] = mask
    scores = {number: score for number, (_, score, _) in enumerate(lesions, 1)}
    return LesionMap(
        probability, ids, scores, np.eye(4) if affine is None else affine, conditional=True
    )


def semantic(probability, affine=None):
    volume = np.asarray(probability, np.float32)
    ids = np.zeros(volume.shape, np.int32)
    return LesionMap(volume, ids, {}, np.eye(4) if affine is None else affine, conditional=False)


def joined(*members):
    (found,) = joined_maps([one] for one in members)
    return found


def test_one_member_is_as_it_is():
    alone = detected((BLOCK, 0.8, 0.7))
    assert joined(alone) is alone


def test_probabilities_of_semantic_members_are_averaged():
    rng = np.random.default_rng(0)
    volumes = rng.random((3, *SHAPE)).astype(np.float32)
    found = joined(*map(semantic, volumes))
    np.testing.assert_allclose(found.probability, volumes.mean(axis=0), rtol=1e-6)
    assert found.probability.dtype == np.float32
    assert not found.conditional


def test_a_member_twice_changes_nothing():
    rng = np.random.default_rng(1)
    one = semantic(rng.random(SHAPE))
    np.testing.assert_array_equal(joined(one, one).probability, one.probability)
    two = detected(
        (BLOCK, 0.8, 0.7), (APART, 0.8, 0.31), (FAR, 0.123456789, 0.9), faint=[np.s_[0, :, :]]
    )
    found = joined(two, two)
    np.testing.assert_array_equal(found.probability, two.probability)
    np.testing.assert_array_equal(found.lesion_ids, two.lesion_ids)
    assert found.scores == two.scores
    assert found.lesion_ids.dtype == np.int32


def test_a_lesion_of_one_member_of_three_keeps_a_third_of_its_score_and_its_mask():
    alone, others = detected((BLOCK, 0.9, 0.7)), detected((FAR, 0.6, 0.8))
    found = joined(others, alone, others)
    assert found.scores == pytest.approx({1: 0.4, 2: 0.3})
    assert (found.lesion_ids[FAR] == 1).all()
    assert (found.lesion_ids[BLOCK] == 2).all()
    np.testing.assert_allclose(found.probability[BLOCK], 0.7)
    np.testing.assert_allclose(found.probability[FAR], 0.8)
    assert (found.lesion_ids > 0).sum() == 32 + 8


def test_lesions_that_overlap_are_one_whose_mask_is_the_mean_inside_the_union():
    found = joined(detected((BLOCK, 0.9, 0.8)), detected((MOVED, 0.5, 0.4), faint=[np.s_[2, 2, 1]]))
    assert found.scores == pytest.approx({1: 0.7})
    union = np.zeros(SHAPE, bool)
    union[BLOCK] = union[MOVED] = True
    np.testing.assert_array_equal(found.lesion_ids, union)
    expected = np.zeros(SHAPE)
    expected[BLOCK] += 0.8 / 2
    expected[MOVED] += 0.4 / 2
    expected[2, 2, 1] += 0.2 / 2  # a mask too faint for a lesion is averaged, too
    np.testing.assert_allclose(found.probability, expected, rtol=1e-6)


def test_lesions_that_hardly_overlap_are_two_and_a_voxel_has_the_more_probable():
    found = joined(detected((BLOCK, 0.5, 0.6)), detected((APART, 0.9, 0.6)))
    assert found.scores == pytest.approx({1: 0.45, 2: 0.25})
    expected = np.zeros(SHAPE, int)
    expected[BLOCK] = 2
    expected[APART] = 1
    np.testing.assert_array_equal(found.lesion_ids, expected)
    np.testing.assert_allclose(found.probability[expected > 0], 0.6)


def test_a_lesion_joins_one_of_another_member_that_it_overlaps_best():
    halves = detected((np.s_[2:5, 2:6, 1:3], 0.6, 0.9), (np.s_[5:6, 2:6, 1:3], 0.8, 0.9))
    whole = detected((BLOCK, 0.7, 0.5))
    for members in itertools.permutations((halves, whole)):
        found = joined(*members)
        # the second half began a cluster, whose IoU with the whole is 0.25; the first half's
        # is 0.75, but it comes after the whole, which has joined already
        assert found.scores == pytest.approx({1: (0.8 + 0.7) / 2, 2: 0.6 / 2})
        # 0.75 / 2 * 0.5 of the joined lesion, 0.3 * 0.9 of the half that is left
        assert (found.lesion_ids[2:5, 2:6, 1:3] == 2).all()
        assert (found.lesion_ids[5:6, 2:6, 1:3] == 1).all()
        np.testing.assert_allclose(found.probability[2:5, 2:6, 1:3], 0.9)
        np.testing.assert_allclose(found.probability[5:6, 2:6, 1:3], (0.9 + 0.5) / 2)


def test_a_lesion_joins_no_cluster_that_has_one_of_its_member():
    halves = detected((np.s_[2:4, 2:6, 1:3], 0.5, 0.9), (np.s_[4:6, 2:6, 1:3], 0.4, 0.9))
    found = joined(halves, detected((BLOCK, 0.7, 0.5)))
    # both have an IoU of 0.5 with the whole; the better one joins it
    assert found.scores == pytest.approx({1: (0.7 + 0.5) / 2, 2: 0.4 / 2})
    assert (found.lesion_ids[2:4, 2:6, 1:3] == 1).all()
    assert (found.lesion_ids[4:6, 2:6, 1:3] == 2).all()


def test_a_lesion_that_loses_all_its_voxels_has_no_score():
    inner = detected((np.s_[3, 3, 1], 0.3, 0.4))
    found = joined(detected((BLOCK, 0.9, 0.8)), inner)
    assert found.scores == pytest.approx({1: 0.45})
    assert set(np.unique(found.lesion_ids)) == {0, 1}


def test_the_order_of_the_members_does_not_matter():
    rng = np.random.default_rng(3)
    members = []
    for _ in range(3):
        lesions = []
        for _ in range(6):
            low = rng.integers(0, (7, 7, 2))
            where = tuple(slice(a, a + b) for a, b in zip(low, rng.integers(1, 4, 3)))
            lesions.append((where, float(rng.random()), float(0.3 + 0.7 * rng.random())))
        one = detected(*lesions)
        members.append(one)
    first = joined(*members)
    assert len(first.scores) > 5
    for order in itertools.permutations(members):
        found = joined(*order)
        np.testing.assert_array_equal(found.lesion_ids, first.lesion_ids)
        np.testing.assert_allclose(found.probability, first.probability, rtol=1e-5)
        assert found.scores == pytest.approx(first.scores)


def test_members_without_any_lesion_leave_those_of_the_others():
    found = joined(detected(), detected((BLOCK, 0.9, 0.8)), detected())
    assert found.scores == pytest.approx({1: 0.3})
    np.testing.assert_allclose(found.probability[BLOCK], 0.8)
    assert joined(detected(), detected()).scores == {}


def test_a_member_on_another_grid_is_carried_to_the_first():
    """Its voxels are twice as wide along the first axis and begin half a voxel later, so that two
    voxels of the first grid lie in one of it."""
    wide = np.diag([2.0, 1, 1, 1])
    wide[0, 3] = 0.5
    coarse = np.zeros((5, 10, 4), np.float32)
    coarse[1:3, 2:6, 1:3] = 1
    found = joined(semantic(np.zeros(SHAPE)), semantic(coarse, wide))
    expected = np.zeros(SHAPE)
    expected[2:6, 2:6, 1:3] = [[[0.375]], [[0.5]], [[0.5]], [[0.375]]]  # linear between centres
    expected[[1, 6], 2:6, 1:3] = 0.125
    np.testing.assert_allclose(found.probability, expected, atol=1e-6)
    ids = (coarse > 0).astype(np.int32)
    other = LesionMap(coarse, ids, {1: 0.6}, wide, conditional=True)
    found = joined(detected((BLOCK, 0.8, 1.0)), other)
    assert found.scores == pytest.approx({1: 0.7})
    np.testing.assert_array_equal(found.lesion_ids[BLOCK], 1)
    assert (found.lesion_ids > 0).sum() == 32


def test_each_class_is_joined_by_itself():
    first = [detected((BLOCK, 0.8, 0.9)), detected((FAR, 0.4, 0.9))]
    second = [detected((BLOCK, 0.6, 0.9)), detected()]
    one, other = joined_maps([first, second])
    assert one.scores == pytest.approx({1: 0.7})
    assert other.scores == pytest.approx({1: 0.2})
