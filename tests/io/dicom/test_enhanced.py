"""Enhanced multi-frame DICOM: its frames are slices, placed and refused as those of a series."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from dicom_slices import PATIENT, write_series
from refusals import refusal
from scipy.spatial.transform import Rotation

from lesionseg.errors import UsageError
from lesionseg.io import read_volume

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
from enhanced_dicoms import write_enhanced

VOXELS = np.random.default_rng(0).integers(0, 4000, (6, 5, 7)).astype(np.uint16)
UPWARD = [(10, 20, 30 + 2.5 * index) for index in range(6)]
SECRETS = (PATIENT, "JOHN", "1.2.3")


def test_frames_in_any_order_stand_where_their_positions_say(tmp_path):
    order = [3, 0, 5, 1, 4, 2]
    positions = [UPWARD[index] for index in order]
    path = write_enhanced(tmp_path / "mr/a.dcm", VOXELS[order], positions, spacing=(0.5, 0.25))
    for volume in (read_volume(path), read_volume(path.parent)):
        np.testing.assert_array_equal(volume.array, VOXELS.transpose(2, 1, 0))
        assert volume.array.dtype.kind == "u"
        # PixelSpacing is from row to row first; DICOM's x and y point left and back
        expected = [[-0.25, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1]]
        np.testing.assert_allclose(volume.affine, expected, atol=1e-6)
        assert volume.notes == ()


def test_an_oblique_file_lies_where_the_same_series_does(tmp_path):
    turn = Rotation.from_euler("xyz", (20, -15, 40), degrees=True).as_matrix()
    row, column, normal = turn.T
    positions = [np.array([5, -7, 90]) + 3 * index * normal for index in range(6)]
    tags = {"orientation": (*row, *column), "spacing": (0.8, 0.7)}
    path = write_enhanced(tmp_path / "mr/a.dcm", VOXELS, positions, **tags)
    series = write_series(tmp_path / "ct", VOXELS.astype(np.int16), positions, **tags)
    one, other = read_volume(path), read_volume(series)
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-6)
    np.testing.assert_array_equal(one.array, other.array)


def test_each_frame_is_rescaled_by_its_own_slope(tmp_path):
    scales = [(1 + index, -10 * index) for index in range(6)]
    path = write_enhanced(tmp_path / "a.dcm", VOXELS, UPWARD, scales=scales)
    array = read_volume(path).array
    for index, (slope, intercept) in enumerate(scales):
        np.testing.assert_allclose(
            array[:, :, index], slope * VOXELS[index].T.astype(float) + intercept
        )


def shifted(step):
    return [(10, 20 + step * index, 30 + 2.5 * index) for index in range(6)]


@pytest.mark.parametrize(
    ("positions", "changes", "said"),
    [
        (shifted(1.0), {}, "tilted by 21.8 degrees (each slice is shifted in its plane)"),
        ([*UPWARD[:5], (10, 20, 50)], {}, "unequal gaps of 2.50 to 10.00 mm between slices"),
        ([*UPWARD[:3], *UPWARD[:3]], {}, "6 slices at 3 positions"),
        (UPWARD, {"PhotometricInterpretation": "MONOCHROME1"}, "has inverted contrast"),
        (UPWARD, {"HighBit": 15}, "stores 12 bits up to bit 15"),
        (UPWARD, {"NumberOfFrames": 7}, "holds 7 frames and the places of 6"),
        (UPWARD, {"PixelData": b"12"}, "cannot be read as enhanced DICOM"),
        (UPWARD, {"SharedFunctionalGroupsSequence": []}, "has no position, orientation or"),
        ([(10, 20, 1e9), *UPWARD[1:]], {}, "position is not 3 numbers up to 1e+06"),
    ],
)
def test_what_is_refused_of_a_series_is_refused_of_frames(tmp_path, positions, changes, said):
    path = write_enhanced(tmp_path / "mr/a.dcm", VOXELS, positions, **changes)
    assert said in refusal(path, secrets=SECRETS)
    assert said in refusal(path.parent, secrets=SECRETS)


def test_a_tilted_file_is_resampled_when_asked(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", VOXELS, shifted(1.0))
    series = write_series(tmp_path / "ct", VOXELS.astype(np.int16), shifted(1.0))
    one, other = (read_volume(place, dicom_irregular="resample") for place in (path, series))
    np.testing.assert_allclose(one.array, other.array, rtol=1e-5)
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-6)
    assert "resampled from 6 slices" in one.notes[0]


def test_a_folder_holds_one_such_file_or_slices(tmp_path):
    write_enhanced(tmp_path / "mr/a.dcm", VOXELS, UPWARD)
    write_enhanced(tmp_path / "mr/b.dcm", VOXELS, UPWARD)
    assert "holds 2 enhanced multi-frame images, like a.dcm, and 0" in refusal(tmp_path / "mr")
    write_series(tmp_path / "ct", VOXELS.astype(np.int16), UPWARD)
    write_enhanced(tmp_path / "ct/a.dcm", VOXELS, UPWARD)
    assert "holds 1 enhanced multi-frame images, like a.dcm, and 6" in refusal(tmp_path / "ct")


def test_a_file_cut_short_is_refused_at_every_length(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", VOXELS, UPWARD)
    content = path.read_bytes()
    for length in (400, len(content) // 2, len(content) - 200, len(content) - 1):
        path.write_bytes(content[:length])
        assert "a.dcm" in refusal(path, secrets=SECRETS)


def test_without_the_extra_the_message_names_it(tmp_path, monkeypatch):
    path = write_enhanced(tmp_path / "a.dcm", VOXELS, UPWARD)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UsageError, match=r"pip install 'lesionseg\[dicom\]'"):
        read_volume(path)
