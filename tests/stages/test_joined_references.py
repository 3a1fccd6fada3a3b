"""Scans of several raters become scans of one reference, and their agreement is measured."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.io import read_volume
from lesionseg.lesion_classes import named_classes
from lesionseg.stages.joined_references import joined_references

LABELS = MaskLabels(frozenset({2}), named_classes({"lesion": [2]}))


def save(path, array):
    nib.save(nib.Nifti1Image(array, np.diag([1, 1, 1, 1.0])), path)
    return path


@pytest.fixture
def scan(tmp_path):
    """Two raters agree on a block of 27 voxels, a third sees a voxel elsewhere too."""
    block = np.zeros((20, 20, 20), np.uint8)
    block[2:5, 2:5, 2:5] = 2
    more = block.copy()
    more[15, 15, 15] = 2
    image = save(tmp_path / "image.nii.gz", np.ones((20, 20, 20), np.float32))
    masks = {"A": block, "B": block, "C": more}
    raters = tuple((n, save(tmp_path / f"{n}.nii.gz", mask)) for n, mask in masks.items())
    return ScanFiles("case7", "p", "test", (image,), None, raters=raters)


def test_the_joined_mask_is_the_reference_and_the_ceiling_is_measured(scan, tmp_path):
    plain = ScanFiles("plain", "p", "test", scan.images, scan.raters[0][1])
    found = joined_references([scan, plain], LABELS, tmp_path / "references", edges_mm=(3, 5, 10))
    kept, table = found.scans, found.agreement
    assert found.rejected == {}
    assert (found.notes, found.ignored) == ((), frozenset())
    assert kept[1] is plain
    assert kept[0].mask == tmp_path / "references" / "case7.nii.gz"
    joined = read_volume(kept[0].mask).array
    np.testing.assert_array_equal(joined, read_volume(scan.raters[0][1]).array)
    of_c = table[(table["reference"] == "C") & (table["rater"] == "A")].set_index("bucket")
    assert of_c.loc["tiny", ["lesions", "found"]].tolist() == [1, 0]
    assert of_c.loc["small", ["lesions", "found"]].tolist() == [1, 1]


def test_what_one_rater_drew_alone_is_written_with_the_ignored_value(scan, tmp_path):
    labels = dataclasses.replace(LABELS, ignored=frozenset({9}))
    scan = dataclasses.replace(scan, few_raters="ignore")
    found = joined_references([scan], labels, tmp_path / "out", edges_mm=(3, 5, 10))
    joined = read_volume(found.scans[0].mask).array
    assert np.argwhere(joined == 9).tolist() == [[15, 15, 15]]
    assert np.count_nonzero(joined == 2) == 27


def test_a_scan_whose_masks_cannot_be_read_is_left_out(scan, tmp_path):
    scan.raters[1][1].write_bytes(b"")
    found = joined_references([scan], LABELS, tmp_path / "out", edges_mm=(3,))
    assert found.scans == []
    assert found.agreement is None
    assert "0 bytes" in found.rejected["case7"]


def test_without_raters_nothing_changes(scan, tmp_path):
    plain = ScanFiles("plain", "p", "test", scan.images, scan.raters[0][1])
    found = joined_references([plain], LABELS, tmp_path / "out", edges_mm=(3,))
    assert (found.scans, found.agreement, found.rejected) == ([plain], None, {})
    assert not (tmp_path / "out").exists()


def test_a_disputed_class_is_written_as_a_value_of_its_own_and_said(scan, tmp_path):
    """Rater B calls the block that all draw another class than A, and C, who drew it as 2, is
    gone; no value of the card is for what is ignored."""
    block = read_volume(scan.raters[0][1]).array
    other = save(tmp_path / "other.nii.gz", np.where(block == 2, 3, 0).astype(np.uint8))
    scan = dataclasses.replace(scan, raters=(scan.raters[0], ("B", other)))
    labels = MaskLabels(frozenset({2, 3, 5}), named_classes({"core": [2], "oedema": [3]}))
    found = joined_references([scan], labels, tmp_path / "out", edges_mm=(3,))
    joined = read_volume(found.scans[0].mask).array
    np.testing.assert_array_equal(joined, np.where(block == 2, 6, 0))
    assert found.ignored == {6}
    assert found.notes == (
        "reference of case7: raters agree on 1 lesion (or a part of one) and not on the class: "
        "ignored",
    )
    assert found.agreement.query("`class` == 'all classes'")["found"].tolist() == [0] * 4
