"""Lesions read without their images lie where the whole scan's lie."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.io.reading import STRICT
from lesionseg.planning.spacing_losses import scan_losses
from lesionseg.reading.scans import load_lesions

ONE = MaskLabels()
FIXED = dataclasses.replace(STRICT, fix_grid=True)


def save_nifti(path, array, affine):
    nib.save(nib.Nifti1Image(array, affine), path)


def save_meta(path, array, affine):
    image = sitk.GetImageFromArray(array.T)
    image.SetSpacing(np.abs(np.diag(affine)[:3]).tolist())
    image.SetOrigin([-affine[0, 3], -affine[1, 3], affine[2, 3]])
    image.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1])
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize(("name", "save"), [("a.nii.gz", save_nifti), ("a.mha", save_meta)])
def test_lesions_of_a_finer_mask_are_judged_on_the_scan_s_grid(tmp_path, name, save):
    """Four lesions of one voxel of 0.5 mm, drawn on a finer grid than the scan, of 1 mm: on the
    scan's grid each is a whole voxel, which 1 mm leaves as it is."""
    rng = np.random.default_rng(0)
    save(tmp_path / name, rng.normal(500, 20, (12, 12, 5)).astype(np.float32), np.eye(4))
    mask = np.zeros((24, 24, 5), np.uint8)
    for place in ((3, 3), (9, 15), (15, 7), (20, 20)):
        mask[*place, 2] = 1
    finer = np.diag([0.5, 0.5, 1.0, 1.0])
    finer[:2, 3] = -0.25
    nib.save(nib.Nifti1Image(mask, finer), tmp_path / "mask.nii.gz")
    files = ScanFiles("c", "p", "train", (tmp_path / name,), tmp_path / "mask.nii.gz", rule=FIXED)
    ids, kinds, affine = load_lesions(files, ONE)
    np.testing.assert_allclose(affine, np.eye(4))
    # voxel i of the mask lies at i / 2 - 0.25 mm: 3 at 1.25, 9 at 4.25, 15 at 7.25, 7 at 3.25
    wanted = [(1, 1, 2), (4, 7, 2), (7, 3, 2), (10, 10, 2)]
    assert [tuple(place) for place in np.argwhere(ids)] == wanted
    assert scan_losses(ids, kinds, affine, 1.0) == (4, 0, 0)
