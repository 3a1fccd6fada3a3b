"""DICOM SEG on the grid of its scan, written by highdicom where that is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from dicom_segs import write_seg
from dicom_slices import object_bytes, write_series

from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError, UsageError
from lesionseg.io import read_volume
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.reading.masks_on_grid import read_ids
from lesionseg.reading.scans import load_scan

VOXELS = np.random.default_rng(0).integers(-900, 900, (6, 5, 7)).astype(np.int16)
UPWARD = [(10, 20, 30 + 2.5 * index) for index in range(6)]


def on_scan(series, path):
    return read_ids(path, "case7", STRICT, read_volume(series).grid)[0]


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
def test_a_seg_beside_its_scan_is_carried_to_its_voxels_when_asked(tmp_path, highdicom, step):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = np.zeros(VOXELS.shape, np.uint8)
    masks[1:4, 1:3, 3:6] = 1
    masks[4, 3, 0] = 2  # of one voxel, at the edge of what the SEG keeps
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    beside = [(10 + step, 20, z) for _, _, z in UPWARD]  # along columns alone
    grid = read_volume(write_series(tmp_path / "beside", VOXELS, beside)).grid
    with pytest.raises(CaseError, match=r"beside its scan.*or set data\.fix_grid=true"):
        read_ids(path, "case7", STRICT, grid)
    mask, moved = read_ids(path, "case7", FIXING, grid)
    np.testing.assert_array_equal(mask.array, masks.T)  # less than half a voxel changes no outline
    np.testing.assert_array_equal(mask.affine, grid.affine)
    far = f"{abs(step) * 2.5:.3g}"  # in voxels of 2.5 mm at most
    assert mask.notes == (
        f"mask carried to the scan's grid lesion by lesion, its corners were up to {far} mm away; "
        "2 lesions drawn",
    )
    assert moved > 0


def fine_seg_on_a_coarse_scan(tmp_path, highdicom):
    """24 lesions of one voxel of 0.5 mm, none on a voxel centre of the scan of 1.5 mm."""
    fine = np.zeros((6, 15, 21), np.int16)
    series = write_series(
        tmp_path / "fine", fine, [(10, 20, 30 + 0.5 * n) for n in range(6)], spacing=(0.5, 0.5)
    )
    masks = np.zeros(fine.shape, np.uint8)
    masks[0::3, 1::6, 3::5] = 1  # voxel centres of the scan are at every third from 0
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    coarse = np.zeros((2, 5, 7), np.int16)
    scan = write_series(
        tmp_path / "scan", coarse, [(10, 20, 30 + 1.5 * n) for n in range(2)], spacing=(1.5, 1.5)
    )
    return path, scan, masks


def test_lesions_thinner_than_the_scan_s_voxels_stay(tmp_path, highdicom):
    path, scan, masks = fine_seg_on_a_coarse_scan(tmp_path, highdicom)
    drawn = np.argwhere(masks.T)
    assert len(drawn) == 24
    mask, _ = read_ids(path, "case7", FIXING, read_volume(scan).grid)
    nearest = {tuple(place) for place in np.rint(drawn / 3).astype(int).tolist()}
    assert {tuple(place) for place in np.argwhere(mask.array).tolist()} == nearest
    assert mask.notes[-1].endswith("24 lesions drawn")


def test_training_counts_the_lesions_of_a_seg_as_they_were_drawn(tmp_path, highdicom):
    path, scan, masks = fine_seg_on_a_coarse_scan(tmp_path, highdicom)
    files = ScanFiles("case7", "case7", "train", (scan,), path, rule=FIXING)
    loaded = load_scan(files, MaskLabels())
    assert len(loaded.drawn.shown) == np.count_nonzero(masks) == loaded.lesion_ids.max()
    assert loaded.notes[-1].startswith("mask carried to the scan's grid lesion by lesion")


@pytest.mark.parametrize("step", [0, 0.3])
def test_a_seg_that_reaches_outside_its_scan_is_cut_when_asked_and_a_note_says_so(
    tmp_path, highdicom, step
):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = np.zeros(VOXELS.shape, np.uint8)
    masks[4:6, 1:3, 1:3] = 1
    masks[0, 3, 5] = 1
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    fewer = [(10 + step, 20, z) for _, _, z in UPWARD[2:]]
    grid = read_volume(write_series(tmp_path / "part", VOXELS[2:], fewer)).grid
    if not step:
        with pytest.raises(CaseError, match=r"1 voxels drawn outside .*data\.fix_grid=true"):
            read_ids(path, "case7", STRICT, grid)
    mask, moved = read_ids(path, "case7", FIXING, grid)
    assert moved > 0
    np.testing.assert_array_equal(mask.array, masks[2:].T)
    outside, carried = mask.notes
    assert outside == "seg.dcm: 1 of 9 voxels are drawn outside its scan"
    assert (
        "2 lesions drawn, 1 of them outside the scan's field of view: at (-15, -23, 30)" in carried
    )


def test_what_a_seg_draws_outside_its_scan_alone_is_refused_also_when_it_may_be_moved(
    tmp_path, highdicom
):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    masks = (VOXELS > 800).astype(np.uint8)
    path = write_seg(highdicom, series, masks, tmp_path / "seg.dcm")
    beyond = [(10.3, 20, z + 25) for _, _, z in UPWARD]
    grid = read_volume(write_series(tmp_path / "beyond", VOXELS, beyond)).grid
    with pytest.raises(CaseError, match="drawn outside its scan"):
        read_ids(path, "case7", FIXING, grid)


@pytest.mark.parametrize(
    ("sop_class", "said"),
    [
        ("481.3", "holds no closed outline"),
        ("88.33", r"is a DICOM structured report \(SR\); want a segmentation \(SEG\)"),
    ],
)
def test_other_objects_are_no_mask(tmp_path, sop_class, said):
    series = write_series(tmp_path / "ct", VOXELS, UPWARD)
    (tmp_path / "mask.dcm").write_bytes(object_bytes(sop_class))
    with pytest.raises(CaseError, match=said):
        on_scan(series, tmp_path / "mask.dcm")
