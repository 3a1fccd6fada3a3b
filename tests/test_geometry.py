"""Geometry, against nibabel, SimpleITK and boxes counted by hand."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from lesionseg import geometry
from lesionseg.structures import Grid

ORIENTATIONS = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def oriented(axes, signs, spacing=(0.5, 0.8, 3.0), origin=(-20.0, 11.0, 5.0)):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(zip(axes, signs)):
        affine[world, axis] = sign * spacing[axis]
    affine[:3, 3] = origin
    return affine


def oblique(degrees, spacing=(1.0, 1.0, 1.0), origin=(3.0, -4.0, 5.0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * spacing
    affine[:3, 3] = origin
    return affine


def numbered(shape=(4, 5, 6)):
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def test_there_are_48_orientations():
    assert len(ORIENTATIONS) == 48


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_canonical_agrees_with_nibabel_in_all_orientations(axes, signs):
    affine = oriented(axes, signs)
    array, moved = geometry.to_canonical(numbered(), affine)
    expected = nib.as_closest_canonical(nib.Nifti1Image(numbered(), affine))
    np.testing.assert_array_equal(array, np.asarray(expected.dataobj))
    np.testing.assert_allclose(moved, expected.affine, atol=1e-12)
    assert geometry.axcodes(affine) == "".join(nib.aff2axcodes(affine))
    assert geometry.axcodes(moved) == "RAS"


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_canonical_then_crop_then_one_resample_home_is_exact(axes, signs):
    affine, array = oriented(axes, signs), numbered()
    canonical, moved = geometry.to_canonical(array, affine)
    inner, moved = geometry.crop(canonical, moved, (1, 0, 1), (3, 3, 4))
    home = geometry.resample_to(inner, moved, Grid(array.shape, affine), order=0, fill=-1)
    kept = np.isin(array, inner)
    assert kept.sum() == 2 * 3 * 3
    np.testing.assert_array_equal(home, np.where(kept, array, -1))
    assert home.dtype == np.int32


def test_canonical_of_an_oblique_grid_agrees_with_nibabel():
    for degrees in ((12, -20, 31), (70, 10, -95), (-44, 3, 170)):
        affine = oblique(degrees, spacing=(0.4, 0.9, 2.0))
        array, moved = geometry.to_canonical(numbered(), affine)
        expected = nib.as_closest_canonical(nib.Nifti1Image(numbered(), affine))
        np.testing.assert_array_equal(array, np.asarray(expected.dataobj))
        np.testing.assert_allclose(moved, expected.affine, atol=1e-12)


def test_canonical_is_a_view_and_keeps_leading_axes():
    array = np.stack([numbered(), numbered() + 1000])
    view, _ = geometry.to_canonical(array, oriented((2, 0, 1), (-1, 1, -1)))
    assert np.shares_memory(view, array)
    assert view.shape == (2, 5, 6, 4)
    np.testing.assert_array_equal(view[1], view[0] + 1000)


def test_spacing_and_voxel_volume():
    affine = oblique((10, 20, 30), spacing=(0.5, 0.8, 3.0))
    assert geometry.spacing(affine) == pytest.approx((0.5, 0.8, 3.0))
    assert geometry.voxel_volume(affine) == pytest.approx(1.2)


def test_crop_moves_the_affine_and_refuses_a_box_outside():
    affine = oriented((0, 1, 2), (1, 1, 1))
    inner, moved = geometry.crop(numbered(), affine, (1, 2, 3), (3, 4, 5))
    np.testing.assert_array_equal(inner, numbered()[1:3, 2:4, 3:5])
    np.testing.assert_allclose(moved[:3, 3], [-19.5, 12.6, 14.0])
    for start, stop in (((0, 0, 0), (5, 5, 6)), ((-1, 0, 0), (2, 2, 2)), ((2, 0, 0), (2, 5, 6))):
        with pytest.raises(ValueError, match="does not lie in shape"):
            geometry.crop(numbered(), affine, start, stop)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ((1, 1, 1), (2, 0, 1)),
        ((1.0, 1.0, 0.995), (2, 0, 1)),
        ((0.5, 0.5, 3), (2, 0, 1)),
        ((0.8, 0.469, 0.469), (0, 1, 2)),
        ((0.5, 3, 0.5), (1, 0, 2)),
        ((1, 1, 0.5), (1, 0, 2)),
    ],
)
def test_the_slab_axis_has_the_largest_spacing(spacing, expected):
    assert geometry.slab_axes(spacing) == expected


def test_an_in_plane_grid_keeps_the_outer_corners_and_the_slices():
    grid = Grid((10, 12, 7), oblique((5, 10, 15), spacing=(1.0, 0.5, 3.0)))
    finer = geometry.in_plane_grid(grid, 0.5, slab_axis=2)
    assert finer.shape == (20, 12, 7)
    assert geometry.spacing(finer.affine) == pytest.approx((0.5, 0.5, 3.0))
    assert geometry.corner_distance(grid, finer) == pytest.approx(0, abs=1e-9)


def test_an_odd_ratio_keeps_the_field_of_view():
    grid = Grid((101, 99, 5), np.eye(4))
    finer = geometry.in_plane_grid(grid, 0.7, slab_axis=2)
    assert finer.shape == (144, 141, 5)
    assert geometry.corner_distance(grid, finer) == pytest.approx(0, abs=1e-9)
    assert geometry.spacing(finer.affine)[0] == pytest.approx(101 / 144)


def test_nearly_the_wanted_spacing_is_left_alone():
    grid = Grid((100, 100, 5), np.diag([0.99, 1.01, 4, 1.0]))
    assert geometry.in_plane_grid(grid, 1.0, slab_axis=2).shape == grid.shape


def test_corner_distance_of_a_shift_and_of_a_shape():
    grid = Grid((4, 5, 6), np.diag([2.0, 2, 2, 1]))
    shifted = grid.affine.copy()
    shifted[:3, 3] = (3, 0, 4)
    assert geometry.corner_distance(grid, Grid(grid.shape, shifted)) == pytest.approx(5)
    assert geometry.corner_distance(grid, Grid((4, 5, 7), grid.affine)) == pytest.approx(2)


def test_doubling_a_ramp_by_hand():
    ramp = np.array([0, 4, 8], np.int16).reshape(3, 1, 1)
    target = geometry.rescaled_grid(Grid((3, 1, 1), np.eye(4)), (0.5, 1, 1))
    fine = geometry.resample_to(ramp, np.eye(4), target, order=1)
    np.testing.assert_allclose(fine[:, 0, 0], [0, 1, 3, 5, 7, 8])  # edges replicate
    assert fine.dtype == np.float32
    nearest = geometry.resample_to(ramp, np.eye(4), target, order=0)
    np.testing.assert_array_equal(nearest[:, 0, 0], [0, 0, 4, 4, 8, 8])
    assert nearest.dtype == np.int16


def test_halving_averages_noise_and_keeps_the_mean():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((32, 32, 8)).astype(np.float32) + 7
    target = geometry.rescaled_grid(Grid(noise.shape, np.eye(4)), (2, 2, 1))
    half = geometry.resample_to(noise, np.eye(4), target, order=1)
    assert half.shape == (16, 16, 8)
    assert half.mean() == pytest.approx(7, abs=0.05)
    assert half.std() < 0.55  # plain linear sampling of every second pair would give about 0.5 too
    checker = np.indices((32, 32, 8))[:2].sum(0) % 2
    flat = geometry.resample_to(checker, np.eye(4), target, order=1)
    np.testing.assert_allclose(flat[1:-1, 1:-1], 0.5, atol=1e-6)


def test_a_coarse_target_sees_every_source_voxel():
    spike = np.zeros((30, 1, 1), np.float32)
    spike[13] = 1
    target = geometry.rescaled_grid(Grid((30, 1, 1), np.eye(4)), (5, 1, 1))
    coarse = geometry.resample_to(spike, np.eye(4), target, order=1)
    assert coarse.sum() == pytest.approx(0.2, rel=1e-5)  # 1 voxel of 5


def test_outside_the_field_of_view_is_filled():
    array = np.full((2, 4, 4, 4), 3, np.float32)
    affine = np.eye(4)
    affine[:3, 3] = (2, 0, 0)
    out = geometry.resample_to(array, affine, Grid((8, 4, 4), np.eye(4)), order=1, fill=-5)
    assert (out[:, 2:6] == 3).all()
    assert (out[:, :2] == -5).all()
    assert (out[:, 6:] == -5).all()
    half = np.diag([0.5, 1, 1, 1.0])
    half[0, 3] = -0.25
    fine = geometry.resample_to(array, affine, Grid((16, 4, 4), half), order=1, fill=-5)
    assert (fine[:, 4:12] == 3).all()
    assert (fine[:, :4] == -5).all()
    assert (fine[:, 12:] == -5).all()


def test_grids_that_do_not_meet_give_fill_alone():
    far = np.eye(4)
    far[:3, 3] = 1000
    for affine in (far, far @ np.diag([0.5, 1, 1, 1]), far @ oblique((10, 0, 0))):
        out = geometry.resample_to(numbered(), np.eye(4), Grid((3, 3, 3), affine), order=0, fill=-1)
        assert (out == -1).all()


@pytest.mark.parametrize(
    "target",
    [
        Grid((14, 16, 9), oblique((7, -5, 11), spacing=(0.8, 0.9, 1.0), origin=(1.2, 0.7, 0.4))),
        Grid((9, 16, 14), oriented((2, 1, 0), (1, -1, 1), (0.7, 0.6, 0.9), origin=(0.8, 9.7, 0.6))),
    ],
    ids=["oblique", "parallel"],
)
def test_linear_resampling_agrees_with_simpleitk(target):
    rng = np.random.default_rng(1)
    source = rng.random((13, 15, 12)).astype(np.float32)
    out = geometry.resample_to(source, np.eye(4), target, order=1, fill=-9)
    moving = sitk.GetImageFromArray(source.transpose(2, 1, 0))
    moving.SetDirection(np.diag([-1, -1, 1]).ravel().tolist())
    lps = np.diag([-1, -1, 1, 1]) @ target.affine
    size = geometry.spacing(target.affine)
    expected = sitk.Resample(
        moving,
        target.shape,
        sitk.Transform(),
        sitk.sitkLinear,
        lps[:3, 3].tolist(),
        size,
        (lps[:3, :3] / size).ravel().tolist(),
        -9.0,
        sitk.sitkFloat32,
    )
    expected = sitk.GetArrayFromImage(expected).transpose(2, 1, 0)
    both = (expected != -9) & (out != -9)
    assert both.mean() > 0.4
    np.testing.assert_allclose(out[both], expected[both], atol=2e-3)


def test_labels_go_home_whole_from_a_rotated_copy_of_their_own_grid():
    affine = oblique((12, -8, 33), spacing=(0.5, 0.5, 3))
    labels = np.random.default_rng(2).integers(0, 400, (9, 8, 7)).astype(np.int32)
    canonical, moved = geometry.to_canonical(labels, affine)
    home = geometry.resample_to(canonical, moved, Grid(labels.shape, affine), order=0)
    np.testing.assert_array_equal(home, labels)


def test_the_bounding_box_with_and_without_room_for_its_margin():
    mask = np.zeros((9, 9, 9), bool)
    mask[2, 3, 4] = mask[5, 3, 8] = True
    assert geometry.bounding_box(mask) == ((2, 3, 4), (6, 4, 9))
    assert geometry.bounding_box(mask, (1, 4, 2)) == ((1, 0, 2), (7, 8, 9))
    with pytest.raises(ValueError, match="no voxel"):
        geometry.bounding_box(mask & False)
