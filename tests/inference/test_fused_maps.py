"""Lesions of a detector and the mask of a U-Net on small grids, joined by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.inference.fused_maps import fused_map
from lesionseg.structures import LesionMap

SHAPE = (12, 12, 6)


def detected(*lesions, affine=None):
    """Each: index of its voxels, score; masks of 0.9."""
    ids = np.zeros(SHAPE, np.int32)
    for number, (where, _) in enumerate(lesions, 1):
        ids[where] = number
    return LesionMap(
        probability=np.where(ids > 0, 0.9, 0).astype(np.float32),
        lesion_ids=ids,
        scores={number: score for number, (_, score) in enumerate(lesions, 1)},
        affine=np.eye(4) if affine is None else affine,
        conditional=True,
    )


def semantic(*parts):
    """Each: index of its voxels, probability."""
    probability = np.full(SHAPE, 0.05, np.float32)
    for where, value in parts:
        probability[where] = value
    return LesionMap(probability, np.zeros(SHAPE, np.int32), {}, np.eye(4), conditional=False)


def fused(detector, mask, **options):
    return fused_map(detector, mask, **{"outline_mm": 3.0, "outline_threshold": 0.3} | options)


BLOCK = np.s_[2:6, 2:6, 1:4]  # 48 voxels, a ball of 4.5 mm
INSIDE = np.s_[3:5, 3:5, 2:3]
FAR = np.s_[9:11, 9:11, 2:3]


def test_a_large_part_is_the_outline_of_the_lesion_found_on_it():
    found = fused(detected((INSIDE, 0.7), (FAR, 0.4)), semantic((BLOCK, 0.6)))
    expected = np.zeros(SHAPE, np.int32)
    expected[BLOCK], expected[FAR] = 1, 2
    np.testing.assert_array_equal(found.lesion_ids, expected)
    assert found.scores == pytest.approx({1: (0.7 + 0.6) / 2, 2: (0.4 + 0.05) / 2})
    inside = np.zeros(SHAPE, bool)
    inside[INSIDE] = True
    expected = np.where(inside, 0.9, 0.6).astype(np.float32)  # the surer of the two
    np.testing.assert_array_equal(found.probability[BLOCK], expected[BLOCK])
    assert (found.probability[FAR] == np.float32(0.9)).all()
    assert found.conditional


def test_a_part_without_a_detected_lesion_adds_nothing():
    detector = detected((FAR, 0.4))
    found = fused(detector, semantic((BLOCK, 0.99)))
    np.testing.assert_array_equal(found.lesion_ids, detector.lesion_ids)
    np.testing.assert_array_equal(found.probability, detector.probability)


def test_of_several_lesions_on_a_part_the_best_is_left():
    low, high = np.s_[2:4, 2:4, 1:3], np.s_[4:6, 4:6, 2:4]
    found = fused(detected((low, 0.3), (high, 0.8)), semantic((BLOCK, 0.6)))
    assert found.scores == pytest.approx({2: 0.7})
    np.testing.assert_array_equal(found.lesion_ids == 2, found.lesion_ids > 0)
    assert (found.lesion_ids[BLOCK] == 2).all()


def test_a_lesion_that_the_u_net_sees_too_ranks_above_one_that_it_does_not():
    spot = np.s_[9:10, 9:10, 2:3]  # too small to draw anything
    found = fused(detected((INSIDE, 0.5), (FAR, 0.5)), semantic((spot, 0.8)))
    assert found.scores == pytest.approx({1: (0.5 + 0.05) / 2, 2: (0.5 + 0.8) / 2})


@pytest.mark.parametrize(("outline_mm", "drawn"), [(4.50, True), (4.52, False)])
def test_small_parts_draw_nothing(outline_mm, drawn):
    """48 mm3 are a ball of 4.509 mm."""
    found = fused(detected((INSIDE, 0.7)), semantic((BLOCK, 0.6)), outline_mm=outline_mm)
    assert bool(found.lesion_ids[2, 2, 1]) is drawn


@pytest.mark.parametrize(("value", "drawn"), [(0.3, True), (0.29, False)])
def test_the_mask_is_from_the_threshold_on(value, drawn):
    found = fused(
        detected((INSIDE, 0.7)),
        semantic((BLOCK, np.float32(value))),
        outline_threshold=np.float32(0.3),
    )
    assert bool(found.lesion_ids[2, 2, 1]) is drawn


@pytest.mark.parametrize(
    ("end", "kept"),
    [(11, True), (9, True), (7, False)],  # a sixth, a quarter and a half in the block
)
def test_a_lesion_beside_a_better_one_keeps_what_no_part_takes_unless_it_is_mostly_inside(
    end, kept
):
    beside = np.s_[5:end, 2:4, 2:3]
    found = fused(detected((INSIDE, 0.9), (beside, 0.5)), semantic((BLOCK, 0.6)))
    assert (found.lesion_ids[BLOCK] == 1).all()
    outside = found.lesion_ids[6:end, 2:4, 2]
    assert (outside == (2 if kept else 0)).all()
    scores = {1: (0.9 + 0.6) / 2} | ({2: (0.5 + 0.05) / 2} if kept else {})
    assert found.scores == pytest.approx(scores)


def test_a_lesion_that_lies_mostly_beside_a_part_keeps_what_is_outside():
    long = np.s_[4:12, 3:4, 2:3]  # 8 voxels, 2 in the block: held, and mostly outside
    alone = fused(detected((long, 0.9)), semantic((BLOCK, 0.6)))
    assert (alone.lesion_ids[4:12, 3, 2] == 1).all()
    assert (alone.lesion_ids[BLOCK] == 1).all()
    half = np.s_[4:8, 3:4, 2:3]  # 4 voxels, 2 in the block: mostly there
    assert not fused(detected((half, 0.9)), semantic((BLOCK, 0.6))).lesion_ids[6:8, 3, 2].any()


def test_a_lesion_over_two_parts_is_both():
    other = np.s_[7:11, 2:6, 1:4]
    across = np.s_[4:9, 3:5, 2:3]  # 10 voxels, 4 in either part
    found = fused(detected((across, 0.9)), semantic((BLOCK, 0.6), (other, 0.7)))
    assert (found.lesion_ids[BLOCK] == 1).all()
    assert (found.lesion_ids[other] == 1).all()
    assert not found.lesion_ids[6, 3:5, 2].any()


def test_what_the_detector_is_sure_of_is_left_at_any_voxel_threshold():
    found = fused(detected((INSIDE, 0.9)), semantic((BLOCK, 0.4)))
    assert (found.probability[INSIDE] == np.float32(0.9)).all()


def test_a_u_net_that_gives_no_number_draws_nothing():
    found = fused(detected((INSIDE, 0.8)), semantic((BLOCK, np.nan)))
    assert found.scores == pytest.approx({1: 0.4})
    assert np.isfinite(found.probability).all()


def test_a_lesion_that_loses_all_its_voxels_is_gone():
    whole = np.s_[2:6, 2:6, 1:2]
    faint = detected((INSIDE, 0.9), (whole, 0.5))
    faint.probability[whole] = 0.4  # no voxel is sure: it has no body that a part could hold
    assert fused(faint, semantic((BLOCK, 0.6))).scores.keys() == {1}


def test_nothing_detected_is_nothing_fused():
    empty = fused(detected(), semantic((BLOCK, 0.99)))
    assert empty.scores == {}
    assert not empty.lesion_ids.any()
    assert not empty.probability.any()


def test_volumes_are_in_mm_of_the_grid():
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    mask = semantic((BLOCK, 0.6))
    fine_mask = LesionMap(mask.probability, mask.lesion_ids, {}, fine, conditional=False)
    found = fused(detected((INSIDE, 0.7), affine=fine), fine_mask)
    assert not found.lesion_ids[2, 2, 1]  # 6 mm3 are a ball of 2.3 mm
