"""What the tests of inference share."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from lesionseg.datasets.phantom.cohort import scan_grid
from lesionseg.io import read_volume


@pytest.fixture
def scan(tmp_path, request):
    """A scan's file on a phantom grid, with codes and units of its own, and the volume read."""
    grid = scan_grid(getattr(request, "param", "oblique"), np.random.default_rng(1), 0.25)
    image = nib.Nifti1Image(np.zeros(grid.shape, np.int16), grid.affine)
    image.set_qform(grid.affine, code=1)
    image.set_sform(grid.affine, code=4)
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    nib.save(image, path)
    return path, read_volume(path)
