"""Images as models see them, from balls in boxes whose numbers are known."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from lesionseg import geometry
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.case import prepare_image, prepare_loaded
from lesionseg.reading.scans import load_scan
from lesionseg.structures import Volume

PLAN = Plan((ChannelPlan("FLAIR", "mri", "zscore"),), in_plane_spacing_mm=1.0)
ONE = MaskLabels()


def prepared(files, plan):
    return prepare_loaded(load_scan(files, ONE), files, plan)


def head(shape=(40, 44, 36), radius=14.0, air=0.0, noise=10.0, seed=0, level=500.0):
    """A ball in air: level with Gaussian noise inside, exactly `air` outside."""
    x, y, z = np.indices(shape)
    middle = [(n - 1) / 2 for n in shape]
    inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 + (z - middle[2]) ** 2 < radius**2
    values = np.random.default_rng(seed).normal(level, noise, shape)
    return np.where(inside, values, air).astype(np.float32), inside


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
    air = image[0, 0, 0, 0]
    assert air == -20  # 0 lies about 60 standard deviations below
    assert image[0, 0].max() == image[0, :, :, 0].max() == air
    assert max(image.shape) < 52
    start = np.rint(affine[:3, 3]).astype(int)
    ball = ball[tuple(slice(s, s + n) for s, n in zip(start, image.shape[1:]))]
    assert ball.sum() == head((60, 64, 58))[1].sum()  # nothing of the head was cut
    assert (image[0][~ball] == air).all()
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
    with pytest.raises(CaseError, match="channel T1 grid differs: got"):
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
    channels = (ChannelPlan("FLAIR", "mri", "zscore", low=-100),)  # air lies 63 below
    for spacing in (1.0, 0.6, 2.0):
        plan = Plan(channels, in_plane_spacing_mm=spacing, cuts_air=False)
        case = prepared(files(tmp_path, scan, mask, affine), plan)
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


def test_a_plan_that_takes_a_lesions_intensities_away_is_refused(tmp_path):
    scan, _ = head()
    scan[20, 22, 18] = 5000  # about 450 standard deviations of 10 above 500
    scan[4, 4, 4] = 300
    mask = np.zeros(scan.shape, np.uint8)
    mask[20, 22, 16:20] = 1
    given = files(tmp_path, scan, mask, np.eye(4))
    with pytest.raises(
        CaseError, match=r"of 4 lesion voxels 1 would lose .* FLAIR: scaled .*-20 to 20"
    ):
        prepared(given, PLAN)
    wide = Plan((ChannelPlan("FLAIR", "mri", "zscore", -30, 600),), in_plane_spacing_mm=1.0)
    image = prepared(given, wide).image
    assert 440 < image.max() < 600
    mask[4, 4, 4] = 1  # in the air
    given = files(tmp_path, scan, mask, np.eye(4))
    with pytest.raises(CaseError, match="of 5 lesion voxels 1 would lose"):
        prepared(given, wide)
    whole = Plan(wide.channels, in_plane_spacing_mm=1.0, cuts_air=False)
    case = prepared(given, whole)
    assert case.shape == scan.shape
    assert -27 < case.image[0, 4, 4, 4] < -23


def test_a_scan_without_lesions_and_one_without_mask_are_valid(tmp_path):
    scan, _ = head()
    given = files(tmp_path, scan, np.zeros(scan.shape, np.uint8), np.eye(4))
    case = prepared(given, PLAN)
    assert not case.lesion_ids.any()
    assert case.lesions == {}
    unlabelled = ScanFiles("c1", "p1", "test", given.images, None)
    case = prepared(unlabelled, PLAN)
    assert case.lesion_ids is None
    image, affine, _ = prepare_image([Volume(scan, np.eye(4))], PLAN)
    np.testing.assert_array_equal(case.image, image)
    np.testing.assert_array_equal(case.affine, affine)


def test_a_scan_whose_resampled_size_does_not_fit_is_refused():
    """Voxels of 100 m, as an affine in micrometres has, become 10^16 of a millimetre."""
    scan, _ = head()
    with pytest.raises(CaseError, match=r"case scan: the scan of .* takes \S+ GB of memory"):
        prepare_image([Volume(scan, np.diag([1e5, 1e5, 1e5, 1.0]))], PLAN)
