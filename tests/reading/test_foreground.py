"""Where the body is, in scans of all its parts and of all makes: nothing of it is taken for air."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import AFFINE, SCANS, ellipsoid, mri_head, noise, padded, zero_padded

from lesionseg.errors import CaseError
from lesionseg.reading.foreground import find_foreground


def body_kept(name):
    """Share of the body's voxels inside the foreground, and of the volume."""
    image, body, modality = SCANS[name]()
    found = find_foreground([image.astype(np.float32)], AFFINE, [modality], "c")
    return found.inside[body].mean(), found.inside.mean(), body.mean()


@pytest.mark.parametrize("name", [name for name in SCANS if name != "cut-out"])
def test_the_whole_body_is_foreground(name):
    kept, _, _ = body_kept(name)
    assert kept == 1


def test_dark_tissue_in_the_corner_of_a_cut_out_is_nearly_all_foreground():
    kept, _, _ = body_kept("cut-out")
    assert kept > 0.99


@pytest.mark.parametrize(
    "name",
    ["MRI of a head", "skull-stripped", "z-scored, 0 outside", "z-scored, -9 outside", "defaced"],
)
def test_the_air_around_a_head_is_not(name):
    _, found, true = body_kept(name)
    assert found < 2.2 * true


@pytest.mark.parametrize("voxels", [1, 2, 4])
def test_padding_around_the_air_of_mri_changes_nothing_of_what_is_tissue(voxels):
    image, _, modality = zero_padded(voxels)
    plain, _, _ = mri_head()
    found = find_foreground([image.astype(np.float32)], AFFINE, [modality], "c").backgrounds[0]
    alone = find_foreground([plain.astype(np.float32)], AFFINE, [modality], "c").backgrounds[0]
    assert found.threshold == pytest.approx(alone.threshold, rel=0.2)
    assert found.air == pytest.approx(alone.air, abs=10)


@pytest.mark.parametrize("value", [-3024.0, -2000.0, 0.0])
def test_padding_of_ct_is_found_whatever_its_value(value):
    image, _, _ = padded(value)
    found = find_foreground([image.astype(np.float32)], AFFINE, ["ct"], "c")
    assert found.backgrounds[0].padding == value
    assert not found.inside[0, 0].any()


@pytest.mark.parametrize("name", ["z-scored, 0 outside", "skull-stripped"])
def test_tissue_of_a_masked_head_is_told_from_what_was_masked(name):
    image, body, modality = SCANS[name]()
    found = find_foreground([image.astype(np.float32)], AFFINE, [modality], "c")
    shown = found.backgrounds[0].shown(image.astype(np.float32))
    np.testing.assert_array_equal(shown, body)


def test_scattered_noise_of_one_value_is_no_padding():
    image = np.round(noise(2.0)) + np.where(ellipsoid((29, 28, 25), (20, 20, 20)), 300.0, 3)
    found = find_foreground([image.astype(np.float32)], AFFINE, ["mri"], "c")
    assert found.backgrounds[0].padding is None


def test_what_a_body_encloses_is_inside_however_dark_it_is():
    image, body, _ = mri_head()
    image[27:33, 26:31, 22:28] = np.nan
    assert find_foreground([image.astype(np.float32)], AFFINE, ["mri"], "c").inside[body].all()


def test_loose_spots_in_the_air_of_mri_are_not_foreground():
    image, _, _ = mri_head()
    image[1:3, 1:3, 1:3] = 600
    found = find_foreground([image.astype(np.float32)], AFFINE, ["mri"], "c")
    assert not found.inside[:3, :3, :3].any()


def test_a_nodule_in_a_cut_out_of_a_lung_is_foreground():
    image = -850 + noise(15)
    image[:, :, :6] = 40  # some diaphragm
    nodule = ellipsoid((40, 40, 40), (3, 3, 3))
    image[nodule] = 30
    found = find_foreground([image.astype(np.float32)], AFFINE, ["ct"], "c")
    assert found.inside[nodule].all()


def test_channels_are_united():
    image, body, _ = mri_head()
    left, right = image.copy(), image.copy()
    left[30:], right[:30] = 0, 0
    found = find_foreground([left, right], AFFINE, ["mri", "mri"], "c")
    assert found.inside[body].all()


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_channel_without_contrast_is_refused(value):
    flat = np.full((9, 9, 9), value, np.float32)
    with pytest.raises(CaseError, match=r"channel 0 (is|has)"):
        find_foreground([flat], np.eye(4), ["mri"], "c")
