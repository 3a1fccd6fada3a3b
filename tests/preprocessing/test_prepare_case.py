"""Images as models see them, from balls in boxes whose numbers are known."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from lesionseg import geometry
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.planning.plan import ChannelPlan, Plan
from lesionseg.preprocessing.case import AIR, prepare_case, prepare_image
from lesionseg.reading.foreground import find_air, find_foreground
from lesionseg.structures import Volume

PLAN = Plan((ChannelPlan("FLAIR", "mri", "zscore"),), in_plane_spacing_mm=1.0)
ONE = MaskLabels(frozenset({1}), frozenset({1}))


def head(shape=(40, 44, 36), radius=14.0, air=0.0, noise=10.0, seed=0, level=500.0):
    """A ball in air: level with Gaussian noise inside, exactly `air` outside."""
    x, y, z = np.indices(shape)
    middle = [(n - 1) / 2 for n in shape]
    inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 + (z - middle[2]) ** 2 < radius**2
    values = np.random.default_rng(seed).normal(level, noise, shape)
    return np.where(inside, values, air).astype(np.float32), inside


def test_the_foreground_is_found_and_its_holes_are_filled():
    scan, ball = head()
    scan[18:22, 20:24, 16:20] = 0  # a ventricle
    found = find_foreground([scan], np.eye(4), ["mri"], "c")
    assert (found.inside >= ball).all()
    assert found.inside.sum() < 2.2 * ball.sum()
    assert (found.core <= found.inside).all()
    air = find_air(scan, found, found.thresholds[0])
    np.testing.assert_array_equal(air[18:22, 20:24, 16:20], False)
    outside = ~ball
    outside[18:22, 20:24, 16:20] = False
    np.testing.assert_array_equal(air, outside)


def test_loose_spots_in_the_air_are_not_foreground():
    scan, _ = head()
    scan[1:3, 1:3, 1:3] = 600
    assert not find_foreground([scan], np.eye(4), ["mri"], "c").inside[:5, :5, :5].any()


def test_ct_air_is_by_hounsfield_units():
    scan, ball = head(air=-1000, level=40)
    found = find_foreground([scan], np.eye(4), ["ct"], "c")
    assert found.thresholds == (-500.0,)
    assert (found.inside >= ball).all()


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_channel_without_contrast_is_refused(value):
    flat = np.full((9, 9, 9), value, np.float32)
    with pytest.raises(CaseError, match=r"channel 0 (is|has)"):
        find_foreground([flat], np.eye(4), ["mri"], "c")


def test_mri_is_standardised_inside_the_foreground_whatever_its_scale():
    scan, ball = head()
    images = []
    for gain, offset in ((1, 0), (7, 0), (0.01, 3)):
        volume = Volume(np.where(ball, scan * gain + offset, offset), np.eye(4))
        image, affine, slab_axis = prepare_image([volume], PLAN)
        images.append(image)
        assert image.dtype == np.float16
        assert slab_axis == 2
    inside = ball[8:-8, 8:-8, 8:-8]
    start = np.rint(affine[:3, 3]).astype(int)
    values = image[0][tuple(slice(8 - s, n - 8 - s) for s, n in zip(start, ball.shape))][inside]
    low, high = np.percentile(values, (5, 95))
    middle = values[(values >= low) & (values <= high)].astype(float)
    assert middle.mean() == pytest.approx(0, abs=0.1)
    assert middle.std() == pytest.approx(1, abs=0.1)
    for other in images[1:]:
        np.testing.assert_allclose(other.astype(float), images[0].astype(float), atol=0.05)


def test_air_is_one_value_and_cut_away_but_for_a_margin():
    scan, ball = head((60, 64, 58))
    image, affine, _ = prepare_image([Volume(scan, np.eye(4))], PLAN)
    assert image[0, 0].max() == image[0, :, :, 0].max() == AIR
    assert max(image.shape) < 52
    start = np.rint(affine[:3, 3]).astype(int)
    ball = ball[tuple(slice(s, s + n) for s, n in zip(start, image.shape[1:]))]
    assert ball.sum() == head((60, 64, 58))[1].sum()  # nothing of the head was cut
    assert (image[0][~ball] == AIR).all()
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        along = np.flatnonzero(ball.any(axis=others))
        assert 4 <= along[0] <= 10
        assert 4 <= ball.shape[axis] - 1 - along[-1] <= 10


def test_the_affine_stays_right_through_turn_crop_and_resampling():
    scan, _ = head((40, 44, 20), radius=9, noise=1)
    scan[22, 17, 11] = 3000
    affine = np.diag([-0.9, 0.9, 2.0, 1.0])
    affine[:3, 3] = (30, -40, 5)
    spot = affine @ [22, 17, 11, 1]
    plan = Plan(PLAN.channels, in_plane_spacing_mm=0.45)
    image, moved, slab_axis = prepare_image([Volume(scan, affine)], plan)
    assert slab_axis == 2
    assert geometry.axcodes(moved) == "RAS"
    assert geometry.spacing(moved) == pytest.approx((0.45, 0.45, 2.0))
    brightest = np.argwhere(image[0] > 10).mean(0)
    np.testing.assert_allclose(moved @ [*brightest, 1], spot, atol=0.01)


def test_voxels_that_are_not_finite_are_air():
    scan, ball = head()
    holed = np.where(ball, scan, np.nan)
    image, _, _ = prepare_image([Volume(holed, np.eye(4))], PLAN)
    expected, _, _ = prepare_image([Volume(scan, np.eye(4))], PLAN)
    assert np.isfinite(image).all()
    assert image.shape == expected.shape


@pytest.mark.parametrize("shape", [(40, 44, 1), (2, 40, 44), (5, 5, 5)])
def test_scans_of_a_slice_or_a_few_voxels_can_be_prepared(shape):
    scan, _ = head(shape, radius=min(n for n in shape if n > 2) / 2.2)
    for spacing in (1.0, 0.5, 1.7):
        image, affine, slab_axis = prepare_image(
            [Volume(scan, np.eye(4))], Plan(PLAN.channels, in_plane_spacing_mm=spacing)
        )
        assert image.ndim == 4
        assert np.isfinite(image).all()
        assert geometry.spacing(affine)[slab_axis] == 1


def test_a_channel_of_one_value_in_the_foreground_is_refused():
    _, ball = head()
    with pytest.raises(CaseError, match="FLAIR is 9 all over the foreground"):
        prepare_image([Volume(ball * np.float32(9), np.eye(4))], PLAN)


def test_ct_is_clipped_and_scaled_by_the_plan():
    scan, ball = head(air=-1000, level=40, noise=200)
    plan = Plan((ChannelPlan("CT", "ct", "cohort", -100, 200, 50, 25),), in_plane_spacing_mm=1.0)
    image, _, _ = prepare_image([Volume(scan, np.eye(4))], plan)
    assert image.min() == (-100 - 50) / 25
    assert image.max() == (200 - 50) / 25
    expected = np.sort((np.clip(scan[ball], -100, 200) - 50) / 25)[-5000:]
    np.testing.assert_allclose(np.sort(image[image > -6])[-5000:], expected, atol=0.01)


def test_channels_must_be_as_many_as_planned_and_on_one_grid():
    scan, _ = head()
    volume = Volume(scan, np.eye(4))
    with pytest.raises(CaseError, match="case x: got 2 channels, want 1: FLAIR"):
        prepare_image([volume, volume], PLAN, case="x")
    two = Plan(
        (ChannelPlan("FLAIR", "mri", "zscore"), ChannelPlan("T1", "mri", "zscore")),
        in_plane_spacing_mm=1.0,
    )
    with pytest.raises(CaseError, match="channel 1 grid differs: got"):
        prepare_image([volume, Volume(scan[:-1], np.eye(4))], two)


def files(tmp_path, scan, mask, affine):
    nib.save(nib.Nifti1Image(scan, affine), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    return ScanFiles("c1", "p1", "train", (tmp_path / "scan.nii.gz",), tmp_path / "mask.nii.gz")


def test_a_case_keeps_every_lesion_in_its_place(tmp_path):
    scan, _ = head()
    mask = np.zeros(scan.shape, np.uint8)
    mask[20, 22, 18] = 1  # one voxel
    mask[15:17, 20:23, 15] = 1
    mask[0, 0, 0] = 1  # far outside the head
    affine = np.diag([-1, -1, 1, 1.0])
    for spacing in (1.0, 0.6, 2.0):
        plan = Plan(PLAN.channels, in_plane_spacing_mm=spacing)
        case = prepare_case(files(tmp_path, scan, mask, affine), ONE, plan)
        assert case.lesion_ids.shape == case.image.shape[1:] == case.shape
        assert set(np.unique(case.lesion_ids)) == {0, 1, 2, 3} == {0, *case.lesions}
        assert sorted(row["volume_mm3"] for row in case.lesions.values()) == [1, 1, 6]
        for lesion, row in case.lesions.items():
            place = case.affine @ [*np.argwhere(case.lesion_ids == lesion).mean(0), 1]
            wanted = [row[f"centroid_{axis}_mm"] for axis in "ras"]
            np.testing.assert_allclose(place[:3], wanted, atol=0.51 * spacing)
    centroids = sorted(row["centroid_r_mm"] for row in case.lesions.values())
    np.testing.assert_allclose(centroids, [-20, -15.5, 0])
    assert (case.name, case.patient, case.channels) == ("c1", "p1", ("FLAIR",))
    assert case.original.shape == scan.shape
    np.testing.assert_array_equal(case.original.affine, affine)


def test_a_scan_without_lesions_and_one_without_mask_are_valid(tmp_path):
    scan, _ = head()
    given = files(tmp_path, scan, np.zeros(scan.shape, np.uint8), np.eye(4))
    case = prepare_case(given, ONE, PLAN)
    assert not case.lesion_ids.any()
    assert case.lesions == {}
    unlabelled = ScanFiles("c1", "p1", "test", given.images, None)
    case = prepare_case(unlabelled, ONE, PLAN)
    assert case.lesion_ids is None
    image, affine, _ = prepare_image([Volume(scan, np.eye(4))], PLAN)
    np.testing.assert_array_equal(case.image, image)
    np.testing.assert_array_equal(case.affine, affine)
