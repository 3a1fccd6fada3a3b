"""Mask to ids, ids to another grid, and the lesion table: counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from lesionseg import geometry
from lesionseg.components import label_components
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.errors import CaseError
from lesionseg.io.reading import STRICT
from lesionseg.lesion_classes import named_classes
from lesionseg.lesion_kinds import of_one_class
from lesionseg.reading.carrying import carry_ids
from lesionseg.reading.grids import onto_grid
from lesionseg.reading.lesion_ids import in_plane_boxes, lesion_ids, lesion_table
from lesionseg.reading.masks import lesion_mask
from lesionseg.reading.masks_on_grid import ids_on_grid
from lesionseg.structures import Grid, Volume

ONE = MaskLabels()
NOTHING = np.zeros((3, 3, 3), np.int32)


def volume(values, dtype=np.uint8):
    array = np.zeros((3, 3, 3), dtype)
    array.flat[: len(values)] = values
    return Volume(array, np.eye(4))


def test_lesion_labels_are_lesions_and_known_others_are_not():
    labels = MaskLabels(frozenset({1, 2, 7}), named_classes({"lesion": [1, 2]}))
    for dtype in (np.uint8, np.int16, np.int64, np.float32):
        mask = lesion_mask(volume([0, 1, 2, 7], dtype), labels, "c")
        assert mask.ravel()[:5].tolist() == [False, True, True, False, False]
        assert mask.sum() == 2


def test_floats_near_whole_numbers_are_rounded():
    mask = lesion_mask(volume([0.0004, 0.9996, 1.0009], np.float32), ONE, "c")
    assert mask.ravel()[:4].tolist() == [False, True, True, False]


def test_an_empty_mask_is_valid():
    assert not lesion_mask(volume([]), ONE, "c").any()
    assert not label_components(np.zeros((3, 3, 3), bool)).any()
    assert lesion_table(NOTHING, of_one_class(NOTHING), np.eye(4), 2) == {}
    boxes, owners = in_plane_boxes(NOTHING, of_one_class(NOTHING), np.eye(4), 2)
    assert boxes.shape == (0, 2)
    assert len(owners) == 0
    out = carry_ids(np.zeros((3, 3, 3), np.int32), np.eye(4), Grid((6, 6, 3), np.eye(4)))
    assert out.shape == (6, 6, 3)
    assert not out.any()


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        ([0.5, 1], np.float32, ["non-integer value 0.5"]),
        ([1.002], np.float64, ["non-integer value 1.002"]),
        ([np.nan], np.float32, ["NaN", "3.7 %"]),
        ([np.inf], np.float32, ["infinite"]),
        ([1, 2, 255], np.uint8, ["unknown labels 2, 255;", "want 0, 1"]),
        ([-1], np.int16, ["unknown labels -1;", "write 0 or a label there"]),
        (list(range(27)), np.int32, ["unknown labels 2, 3, 4, 5, 6, 7, 8, 9 and 17 more"]),
    ],
)
def test_masks_that_are_none_are_refused(values, dtype, words):
    with pytest.raises(CaseError) as caught:
        lesion_mask(volume(values, dtype), ONE, "case7")
    for word in ["case case7: ", *words]:
        assert word in str(caught.value)


def test_a_mask_of_0_and_255_is_binary_where_1_is_the_only_label():
    assert lesion_mask(volume([0, 255, 255]), ONE, "c").ravel()[:4].tolist() == [0, 1, 1, 0]
    for labels, values in (
        (ONE, [1, 255]),
        (MaskLabels(frozenset({1, 2})), [255]),
    ):
        with pytest.raises(CaseError, match="unknown labels 255"):
            lesion_mask(volume(values), labels, "c")


def test_probabilities_are_cut_where_a_threshold_is_given():
    soft = volume([0.2, 0.5, 0.8], np.float32)
    mask = lesion_mask(soft, ONE, "c", rule=dataclasses.replace(STRICT, mask_threshold=0.5))
    assert mask.ravel()[:4].tolist() == [False, True, True, False]
    with pytest.raises(CaseError, match=r"data\.mask_threshold=0\.5"):
        lesion_mask(soft, ONE, "c")


@pytest.mark.parametrize("lesions", [{1}, {2}, {1, 2}])
def test_probabilities_have_no_labels(lesions):
    """A voxel above the threshold is lesion, whichever values the card calls lesion."""
    soft = volume([0.2, 0.5, 0.9], np.float32)
    labels = MaskLabels(frozenset({1, 2}), named_classes({"lesion": lesions}))
    mask = lesion_mask(soft, labels, "c", rule=dataclasses.replace(STRICT, mask_threshold=0.5))
    assert mask.ravel()[:4].tolist() == [False, True, True, False]


def test_a_binary_mask_of_255_is_not_empty_by_labels_that_it_has_not():
    """Asked for the labels 1 and 2, a mask of 0 and 255 would be an empty reference."""
    with pytest.raises(CaseError, match="holds 0 and 255 alone, the labels of lesions are 1, 2"):
        lesion_mask(volume([0, 255]), MaskLabels(None, named_classes({"lesion": [1, 2]})), "c")
    white = lesion_mask(volume([0, 255]), MaskLabels(None, named_classes({"lesion": [255]})), "c")
    assert white.ravel()[:2].tolist() == [False, True]


def test_instance_ids_keep_lesions_that_touch_apart_and_pieces_together():
    ids = MaskLabels(instances=True)
    mask = volume([7, 7, 300, 0, 0, 0, 7], np.int16)
    assert lesion_ids(mask, ids, "c")[0].ravel()[:7].tolist() == [1, 1, 2, 0, 0, 0, 1]
    assert lesion_ids(volume([1, 1, 1], np.int16), ONE, "c")[0].max() == 1
    with pytest.raises(CaseError, match="values from -1 to 2"):
        lesion_ids(volume([-1, 2], np.int16), ids, "c")


def test_a_mask_of_other_voxels_in_the_same_box_is_told_by_its_voxels():
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] = -0.25  # outer corners where those of the voxels of 1 mm are
    mask = Volume(np.ones((8, 8, 8), np.uint8), fine)
    rule = dataclasses.replace(STRICT, fix_grid=True)
    found, _ = ids_on_grid(mask, Grid((4, 4, 4), np.eye(4)), "c", rule)
    assert found.notes == (
        "mask carried to the scan's grid lesion by lesion, its grid has 8x8x8 voxels of "
        "0.5x0.5x0.5 mm, the other 4x4x4 voxels of 1x1x1 mm; 1 lesion drawn",
    )


def moved(grid, by):
    affine = grid.affine.copy()
    affine[2, 3] += by
    return Volume(np.zeros(grid.shape, np.uint8), affine)


GRID = Grid((4, 4, 4), np.diag([1, 1, 3, 1.0]))


def test_grids_a_hundredth_of_a_voxel_apart_are_the_same():
    exact, far = onto_grid(moved(GRID, 0.0005), GRID, "c", "mask")
    assert far == 0
    assert exact.notes == ()
    near, far = onto_grid(moved(GRID, 0.009), GRID, "c", "mask")
    assert far == 0
    assert near.notes == ("mask grid is 0.009 mm off by rounding; mended",)
    np.testing.assert_array_equal(near.affine, GRID.affine)


def test_other_grids_are_refused_with_the_largest_distance_or_resampled_when_asked():
    with pytest.raises(CaseError, match=r"mask grid differs.*0\.02 mm apart.*data\.fix_grid=true"):
        onto_grid(moved(GRID, 0.02), GRID, "c", "mask")
    shape = Volume(np.zeros((4, 4, 5), np.uint8), GRID.affine)
    with pytest.raises(CaseError, match=r"got 4x4x5 voxels of 1x1x3 mm RAS.*, want 4x4x4"):
        onto_grid(shape, GRID, "c", "mask")
    flipped = np.diag([-1, 1, 3, 1.0])
    flipped[0, 3] = 3
    mirrored = Volume(np.arange(64, dtype=np.uint8).reshape(4, 4, 4), flipped)
    with pytest.raises(CaseError, match="LAS"):
        onto_grid(mirrored, GRID, "c", "mask")
    fixed, far = onto_grid(mirrored, GRID, "c", "mask", fix_grid=True)
    np.testing.assert_array_equal(fixed.array, mirrored.array[::-1])
    assert far == pytest.approx(4)  # from one outer corner to its mirror image
    assert fixed.notes == ("mask resampled; its corners were up to 4 mm away",)


def test_voxels_that_touch_by_a_corner_are_one_lesion():
    mask = np.zeros((6, 6, 6), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    mask[5, 5, 5] = True
    ids = label_components(mask)
    assert ids.dtype == np.int32
    assert ids[1, 1, 1] == ids[2, 2, 2] != ids[5, 5, 5]
    assert set(np.unique(ids)) == {0, 1, 2}


def test_labels_agree_with_scipy():
    mask = np.random.default_rng(0).random((20, 21, 22)) < 0.06
    ids = label_components(mask)
    expected, count = ndimage.label(mask, np.ones((3, 3, 3)))
    assert ids.max() == count > 100
    assert len(set(zip(ids[mask], expected[mask]))) == count


def upsampled(ids, factor=2):
    grid = Grid(ids.shape, np.eye(4))
    return geometry.rescaled_grid(grid, (1 / factor, 1 / factor, 1))


def test_one_voxel_becomes_one_blob_of_its_own_on_a_finer_grid():
    ids = np.zeros((9, 9, 5), np.int32)
    ids[4, 4, 2] = 3
    fine = carry_ids(ids, np.eye(4), upsampled(ids))
    assert set(np.argwhere(fine == 3)[:, 2]) == {2}
    np.testing.assert_allclose(np.argwhere(fine == 3).mean(0)[:2], 8.5)
    assert 1 <= (fine == 3).sum() <= 4


@pytest.mark.parametrize("factor", [0.25, 0.37, 0.5, 0.8, 1.3, 2, 2.5])
def test_no_lesion_vanishes_on_any_in_plane_spacing(factor):
    rng = np.random.default_rng(1)
    ids = label_components(rng.random((30, 31, 12)) < 0.004)
    assert ids.max() > 25
    out = carry_ids(ids, np.eye(4), upsampled(ids, factor))
    assert set(np.unique(out)) == set(np.unique(ids))


def test_four_hundred_lesions_keep_their_ids():
    ids = np.zeros((80, 80, 6), np.int32)
    places = [(x, y) for x in range(1, 80, 4) for y in range(1, 80, 4)]
    for lesion, (x, y) in enumerate(places, 1):
        ids[x, y, 3] = lesion
    fine = carry_ids(ids, np.eye(4), upsampled(ids, 1.5))
    assert len(places) == 400
    for lesion, (x, y) in enumerate(places, 1):
        assert fine[round(1.5 * x + 0.25), round(1.5 * y + 0.25), 3] == lesion


def test_a_large_lesion_keeps_its_volume_and_its_outline():
    x, y, z = np.indices((30, 30, 9))
    ids = ((x - 14.2) ** 2 + (y - 15.1) ** 2 + (2.5 * (z - 4)) ** 2 < 81).astype(np.int32)
    fine = carry_ids(ids, np.eye(4), upsampled(ids))
    assert fine.sum() / 4 == pytest.approx(ids.sum(), rel=0.03)
    home = geometry.resample_to(fine, upsampled(ids).affine, Grid(ids.shape, np.eye(4)), order=0)
    assert (home != ids).sum() < 0.03 * ids.sum()


def test_the_same_spacing_is_carried_exactly_through_a_crop():
    ids = np.random.default_rng(2).integers(0, 9, (7, 8, 9)).astype(np.int32)
    moved = np.eye(4)
    moved[:3, 3] = (2, 1, 3)
    out = carry_ids(ids, np.eye(4), Grid((4, 5, 6), moved))
    np.testing.assert_array_equal(out, ids[2:6, 1:6, 3:9])


def test_the_table_by_hand():
    affine = np.diag([0.5, 2, 3, 1.0])
    affine[:3, 3] = (10, 20, 30)
    ids = np.zeros((8, 8, 8), np.int32)
    ids[1:5, 2:4, 3] = 1
    ids[7, 7, 6:8] = 2
    table = lesion_table(ids, of_one_class(ids), affine, slab_axis=2)
    assert list(table) == [1, 2]
    first, second = table[1], table[2]
    assert first["volume_mm3"] == pytest.approx(8 * 3)
    assert first["diameter_mm"] == pytest.approx((6 * 24 / np.pi) ** (1 / 3))
    assert first["centroid_r_mm"] == pytest.approx(10 + 0.5 * 2.5)
    assert first["centroid_a_mm"] == pytest.approx(20 + 2 * 2.5)
    assert first["centroid_s_mm"] == pytest.approx(30 + 3 * 3)
    assert (first["row_extent_mm"], first["column_extent_mm"]) == (2.0, 4.0)
    assert (first["num_slices"], second["num_slices"]) == (1, 2)
    turned = lesion_table(ids, of_one_class(ids), affine, slab_axis=0)
    assert (turned[1]["row_extent_mm"], turned[1]["column_extent_mm"]) == (4.0, 3.0)
    assert turned[1]["num_slices"] == 4


def test_boxes_are_of_each_slice_width_along_the_columns():
    ids = np.zeros((9, 9, 4), np.int32)
    ids[1:4, 1, 0] = 1
    ids[1, 1, 1] = 1
    ids[6:8, 3:8, 1] = 2
    boxes, owners = in_plane_boxes(ids, of_one_class(ids), np.diag([0.5, 1, 3, 1.0]), 2)
    found = sorted(zip(owners.tolist(), boxes.tolist()))
    assert found == [(1, [1.0, 0.5]), (1, [1.0, 1.5]), (2, [5.0, 1.0])]
