"""Scans of four dimensions, memory that is not there, and what is said of a file's place."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from lesionseg.errors import CaseError
from lesionseg.io import read_volume, write_mask
from lesionseg.storage import memory

VOXELS = np.random.default_rng(0).integers(0, 100, (5, 6, 7)).astype(np.int16)
AFFINE = np.diag([0.5, 0.7, 3.0, 1.0])


def save(path, array, affine=AFFINE):
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.mark.parametrize("further", [(1,), (1, 1)])
def test_a_mask_has_as_many_dimensions_as_its_scan_and_viewers_see_three(tmp_path, further):
    scan = read_volume(save(tmp_path / "scan.nii.gz", VOXELS.reshape(*VOXELS.shape, *further)))
    np.testing.assert_array_equal(scan.array, VOXELS)
    write_mask(tmp_path / "mask.nii.gz", VOXELS > 50, like=scan)
    assert nib.load(tmp_path / "mask.nii.gz").shape == (5, 6, 7, *further)
    assert sitk.ReadImage(str(tmp_path / "mask.nii.gz")).GetSize() == (5, 6, 7)
    back = read_volume(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(back.array, VOXELS > 50)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_volume_of_several_is_read_and_its_mask_is_3d(tmp_path, name, which):
    path = save(tmp_path / name, np.stack([VOXELS, VOXELS + 1, VOXELS * 2], -1))
    scan = read_volume(path, volume=which)
    np.testing.assert_array_equal(scan.array, (VOXELS, VOXELS + 1, VOXELS * 2)[which])
    assert (scan.num_volumes, scan.notes) == (3, ())
    write_mask(tmp_path / "mask.nii.gz", VOXELS > 50, like=scan)
    assert nib.load(tmp_path / "mask.nii.gz").shape == (5, 6, 7)
    path.write_bytes(path.read_bytes()[:-1])  # what is not wanted is checked all the same
    with pytest.raises(CaseError):
        read_volume(path, volume=which)


def test_a_file_beyond_the_free_memory_is_refused_before_any_is_taken(tmp_path, monkeypatch):
    path = save(tmp_path / "scan.nii.gz", np.zeros((100, 100, 100), np.int16))  # 2 MB
    monkeypatch.setattr(memory, "free_memory", lambda: 2_400_000)
    with pytest.raises(CaseError, match=r"scan.nii.gz takes 0\.0 GB of memory, 0\.0 GB are free"):
        read_volume(path)
    monkeypatch.setattr(memory, "free_memory", lambda: 2_600_000)
    assert read_volume(path).array.shape == (100, 100, 100)


def test_scaling_asks_for_the_memory_of_what_it_makes(tmp_path, monkeypatch):
    image = nib.Nifti1Image(np.zeros((100, 100, 100), np.int16), AFFINE)
    image.header.set_slope_inter(2, 0)
    nib.save(image, tmp_path / "scan.nii.gz")  # 2 MB stored and 4 MB of float32
    monkeypatch.setattr(memory, "free_memory", lambda: 7_400_000)
    with pytest.raises(CaseError, match="of memory"):
        read_volume(tmp_path / "scan.nii.gz")
    monkeypatch.setattr(memory, "free_memory", lambda: 7_600_000)
    assert read_volume(tmp_path / "scan.nii.gz").array.dtype == np.float32


def test_some_memory_is_free():
    assert memory.free_memory() > 1 << 20


def test_a_place_assumed_is_voxel_sizes_from_the_origin_and_the_mask_lies_where_the_scan_does(
    tmp_path,
):
    image = nib.Nifti1Image(VOXELS, None)
    image.header.set_zooms((0.5, 0.7, 3))
    nib.save(image, tmp_path / "scan.nii.gz")
    scan = read_volume(tmp_path / "scan.nii.gz", assume_affine=True)
    np.testing.assert_allclose(scan.affine, np.diag([0.5, 0.7, 3, 1]), rtol=1e-6)
    write_mask(tmp_path / "mask.nii.gz", VOXELS > 50, like=scan)
    written, stored = nib.load(tmp_path / "mask.nii.gz"), nib.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(written.affine, stored.affine)  # as any reader takes it
    np.testing.assert_allclose(
        read_volume(tmp_path / "mask.nii.gz", assume_affine=True).affine, scan.affine
    )
