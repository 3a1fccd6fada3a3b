"""Faithful NIfTI writing: the scan's geometry bit for bit, whole or not at all."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from oblique_niftis import GEOMETRY, OBLIQUE, save, voxels
from scipy.spatial.transform import Rotation

from lesionseg.errors import OutputError, UsageError
from lesionseg.io import read_volume, write_mask, write_probability
from lesionseg.io.nifti.forms import forms_of
from lesionseg.structures import Volume


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_mask_has_the_geometry_of_its_scan_bit_for_bit_and_nothing_else(tmp_path, ending):
    fields = {"descrip": b"JOHN DOE", "aux_file": b"secret", "db_name": b"name", "cal_max": 9}
    path = save(tmp_path / "scan.nii.gz", voxels(), sform=2, qform=3, **fields)
    mask = voxels() > 50
    write_mask(tmp_path / f"mask{ending}", mask, like=read_volume(path))
    scan, written = nib.load(path), nib.load(tmp_path / f"mask{ending}")
    np.testing.assert_array_equal(np.asarray(written.dataobj), mask)
    assert written.get_data_dtype() == np.uint8
    for name in GEOMETRY:
        assert written.header[name].tobytes() == scan.header[name].tobytes(), name
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        assert bytes(written.header[name]).strip(b"\0") == b""
    assert [path.name for path in tmp_path.glob(".partial*")] == []


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_a_mask_goes_out_and_back_in_all_orientations(tmp_path, axes, signs):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[list(axes)] * np.multiply(signs, (0.5, 0.8, 3.0))
    affine[:3, 3] = (1.5, -2.25, 4)
    scan = read_volume(save(tmp_path / "scan.nii", voxels(), affine))
    write_mask(tmp_path / "mask.nii.gz", (voxels() > 50).astype(np.int64), like=scan)
    back = read_volume(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(back.array, voxels() > 50)
    np.testing.assert_allclose(back.affine, affine, atol=1e-6)
    written = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(written.get_qform(), written.get_sform(), atol=1e-5)


def test_masks_are_uint8_and_ids_uint16_until_int32_is_needed(tmp_path):
    scan = Volume(voxels(), OBLIQUE)
    ids = np.zeros(scan.array.shape, np.int32)
    for top, dtype in ((0, np.uint16), (255, np.uint16), (65535, np.uint16), (65536, np.int32)):
        ids[1, 2, 3] = top
        write_mask(tmp_path / "ids.nii.gz", ids, like=scan)
        assert read_volume(tmp_path / "ids.nii.gz").array.dtype == dtype
        assert read_volume(tmp_path / "ids.nii.gz").array[1, 2, 3] == top
    for mask in (ids > 0, (ids > 0).astype(np.uint8)):
        write_mask(tmp_path / "mask.nii.gz", mask, like=scan)
        assert read_volume(tmp_path / "mask.nii.gz").array.dtype == np.uint8


def test_probabilities_are_float32(tmp_path):
    values = np.random.default_rng(1).random((5, 6, 7))
    write_probability(tmp_path / "p.nii.gz", values, like=Volume(voxels(), OBLIQUE))
    back = read_volume(tmp_path / "p.nii.gz").array
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values.astype(np.float32))


def test_same_mask_same_bytes(tmp_path):
    scan = Volume(voxels(), OBLIQUE)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_mask(tmp_path / name, voxels(), like=scan)
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content == (tmp_path / "b.nii.gz").read_bytes()
    assert content[3] == 0  # no file name in the gzip header
    assert content[4:8] == bytes(4)  # no time


def test_what_is_not_a_mask_of_that_scan_is_our_own_mistake(tmp_path):
    scan = Volume(voxels(), OBLIQUE)
    with pytest.raises(ValueError, match="shape"):
        write_mask(tmp_path / "m.nii.gz", np.zeros((2, 2, 2), np.uint8), like=scan)
    with pytest.raises(ValueError, match="integers"):
        write_mask(tmp_path / "m.nii.gz", voxels(np.float32), like=scan)
    with pytest.raises(ValueError, match="-3"):
        write_mask(tmp_path / "m.nii.gz", voxels() * 0 - 3, like=scan)
    with pytest.raises(UsageError, match=r"\.nii\.gz"):
        write_mask(tmp_path / "m.png", voxels(), like=scan)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    scan = Volume(voxels(), OBLIQUE)
    write_mask(tmp_path / "m.nii.gz", voxels(), like=scan)
    before = (tmp_path / "m.nii.gz").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lesionseg.storage.atomic.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_mask(tmp_path / "m.nii.gz", voxels() * 0, like=scan)
    assert [path.name for path in tmp_path.iterdir()] == ["m.nii.gz"]
    assert (tmp_path / "m.nii.gz").read_bytes() == before


def test_made_forms_read_back_as_the_affine_by_nibabel():
    rng = np.random.default_rng(3)
    for _ in range(50):
        affine = np.eye(4)
        affine[:3, :3] = Rotation.random(random_state=rng.integers(1 << 31)).as_matrix()
        affine[:3, :3] *= rng.uniform(0.3, 5, 3) * rng.choice([-1, 1], 3)
        affine[:3, 3] = rng.uniform(-99, 99, 3)
        forms = forms_of(affine)
        header = nib.Nifti1Header()
        header["pixdim"] = forms.pixdim
        header["qform_code"] = 1
        for name, value in zip("bcd", forms.quatern):
            header[f"quatern_{name}"] = value
        for name, value in zip("xyz", forms.qoffset):
            header[f"qoffset_{name}"] = value
        np.testing.assert_allclose(header.get_qform(), affine, atol=2e-4)
        np.testing.assert_allclose(forms.srow, affine[:3], rtol=1e-6)
