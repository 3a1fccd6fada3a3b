"""DICOM SEG on the grid of its scan, written by highdicom where that is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from dicom_segs import write_seg
from dicom_slices import object_bytes, write_series

from lesionseg.errors import CaseError, UsageError
from lesionseg.io import read_volume
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.reading.masks import read_mask

VOXELS = np.random.default_rng(0).integers(-900, 900, (6, 5, 7)).astype(np.int16)
UPWARD = [(10, 20, 30 + 2.5 * index) for index in range(6)]


def on_scan(series, path):
    return read_mask(path, "case7", STRICT, read_volume(series).grid)[0]


def test_without_the_extra_the_message_names_it(tmp_path, monkeypatch):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    with pytest.raises(UsageError, match=r"pip install 'lesionseg\[dicom\]'"):
        on_scan(series, series / "001.dcm")


@pytest.fixture
def highdicom():
    return pytest.importorskip("highdicom", reason="the extra dicom is not installed")


def test_segments_come_out_as_labels_on_the_whole_scan(tmp_path, highdicom):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = np.zeros(VOXELS.shape, np.uint8)
    masks[2, 1:3, 4] = 1
    masks[4, 3, 0:2] = 2  # nothing on the other slices, which a SEG leaves out
    mask = on_scan(series, write_seg(highdicom, series, masks, tmp_path / "seg.dcm"))
    np.testing.assert_array_equal(mask.array, masks.T)
    np.testing.assert_array_equal(mask.affine, read_volume(series).affine)


def test_a_seg_of_another_place_is_refused(tmp_path, highdicom):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = (VOXELS > 800).astype(np.uint8)
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    beside = [(10.3, 20, z) for _, _, z in UPWARD]
    with pytest.raises(CaseError, match=r"up to 0\.3 voxels beside its scan"):
        on_scan(write_series(tmp_path / "beside", VOXELS, beside), path)
    beyond = [(10, 20, z + 25) for _, _, z in UPWARD]
    with pytest.raises(CaseError, match="drawn outside its scan"):
        on_scan(write_series(tmp_path / "beyond", VOXELS, beyond), path)


def test_a_slice_is_no_seg(tmp_path, highdicom):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    with pytest.raises(CaseError, match="cannot be read as DICOM SEG"):
        on_scan(series, series / "001.dcm")


def test_one_dicom_file_is_no_scan(tmp_path):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    with pytest.raises(CaseError, match="give the folder of its series"):
        read_volume(series / "001.dcm")


FIXING = ReadingRule(False, "refuse", True, None)


@pytest.mark.parametrize("step", [0.02, -0.3, 0.49])
def test_a_seg_beside_its_scan_is_put_on_its_voxels_when_asked(tmp_path, highdicom, step):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = np.zeros(VOXELS.shape, np.uint8)
    masks[2, 1:3, 4] = 1
    masks[4, 3, 0:2] = 2  # at the edge of what the SEG keeps
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    beside = [(10 + step, 20 - step, z + 2.5 * step) for _, _, z in UPWARD]
    grid = read_volume(write_series(tmp_path / "beside", VOXELS, beside)).grid
    with pytest.raises(CaseError, match=r"beside its scan.*or set data\.fix_grid=true"):
        read_mask(path, "case7", STRICT, grid)
    mask, moved = read_mask(path, "case7", FIXING, grid)
    np.testing.assert_array_equal(mask.array, masks.T)
    np.testing.assert_array_equal(mask.affine, grid.affine)
    assert mask.notes == (
        f"seg.dcm lay up to {abs(step):.3g} voxels beside its scan; resampled, nearest voxel",
    )
    assert moved > 0


def test_what_a_seg_draws_outside_its_scan_is_refused_also_when_it_may_be_moved(
    tmp_path, highdicom
):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = (VOXELS > 800).astype(np.uint8)
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    beyond = [(10.3, 20, z + 25) for _, _, z in UPWARD]
    grid = read_volume(write_series(tmp_path / "beyond", VOXELS, beyond)).grid
    with pytest.raises(CaseError, match="drawn outside its scan"):
        read_mask(path, "case7", FIXING, grid)


@pytest.mark.parametrize(
    ("sop_class", "said"),
    [
        ("481.3", r"is an RT structure set \(RTSTRUCT\), outlines .* convert it to a mask"),
        ("88.33", r"is a DICOM structured report \(SR\); want a segmentation \(SEG\)"),
    ],
)
def test_other_objects_are_no_mask(tmp_path, sop_class, said):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    (tmp_path / "mask.dcm").write_bytes(object_bytes(sop_class))
    with pytest.raises(CaseError, match=said):
        on_scan(series, tmp_path / "mask.dcm")
