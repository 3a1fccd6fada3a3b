"""How many volumes a file holds, by its header."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from lesionseg.io.nifti.header_only import count_volumes


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("shape", "count"), [((4, 5, 6), 1), ((4, 5, 6, 1), 1), ((4, 5, 6, 3), 3), ((4, 5, 6, 1, 2), 2)]
)
def test_volumes_of_a_file(tmp_path, ending, shape, count):
    path = tmp_path / f"a{ending}"
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), path)
    assert count_volumes(path) == count


def test_what_is_no_nifti_is_left_to_reading(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"none")
    (tmp_path / "b.nii.gz").write_bytes(b"\x1f\x8bnone")
    names = ("a.nii", "b.nii.gz", "absent.nii", ".")
    assert [count_volumes(tmp_path / name) for name in names] == [1, 1, 1, 1]
