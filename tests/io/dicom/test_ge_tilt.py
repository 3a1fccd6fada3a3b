"""A real CT series with a tilted gantry and two slice distances, against its own headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lesionseg.errors import CaseError
from lesionseg.io import read_volume

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "dicom_ct" / "ge_tilt"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no real CT at ../shared/data/dicom_ct"),
]


def headers():
    """(position (3,), stored voxels (rows, columns)) of each slice, as SimpleITK has them."""
    found = []
    for path in sorted(FOLDER.glob("*.dcm")):
        image = sitk.ReadImage(str(path))
        position = [float(v) for v in image.GetMetaData("0020|0032").split("\\")]
        found.append((np.array(position), sitk.GetArrayFromImage(image)[0]))
    return found


def test_it_is_refused_with_its_tilt_and_its_gaps():
    with pytest.raises(CaseError) as caught:
        read_volume(FOLDER)
    for word in ("tilted by 18.5 degrees", "unequal gaps of 1.08 to 7.00 mm", "28 slices"):
        assert word in str(caught.value)
    assert "REMOVED" not in str(caught.value)


def test_on_request_every_slice_stands_within_a_tenth_of_a_millimetre_of_its_header():
    volume = read_volume(FOLDER, dicom_irregular="resample")
    column = np.array([0, 0.9483237, -0.3173047])  # of ImageOrientationPatient
    normal = np.cross([1, 0, 0], column)
    to_lps = np.diag([-1, -1, 1])
    first = to_lps @ volume.affine[:3, 3]
    step = to_lps @ volume.affine[:3, 2]
    np.testing.assert_allclose(step / np.linalg.norm(step), normal, atol=1e-6)
    planes = first @ normal + np.linalg.norm(step) * np.arange(volume.array.shape[2])
    for position, stored in headers():
        plane = np.abs(planes - position @ normal).argmin()
        assert abs(planes[plane] - position @ normal) < 0.1
        # where, in voxels of that plane, the slice's first pixel lies: its own rows, moved
        offset = (position - first) @ column / 0.4882812
        whole = int(np.floor(offset))
        part = offset - whole
        rows = (1 - part) * stored[1:].astype(float) + part * stored[:-1]
        got = volume.array[:, whole + 1 : whole + 512, plane].T
        np.testing.assert_allclose(got, rows, atol=0.1)
