"""Files that are of no scan, by trees made by hand."""

from __future__ import annotations

import os
import sys

import pytest
from layout_trees import tree

from lesionseg.datasets.layouts.volume_walk import volume_places
from lesionseg.datasets.unused_files import no_scans, unused_files, unused_words

LINUX = pytest.mark.skipif(sys.platform == "win32", reason="makes links and pipes")


def test_what_looks_like_a_scan_and_is_of_none_is_named(tmp_path):
    files = ("p1/FLAIR.nii.gz", "p1/mask.nii.gz", "p2/flair.nii.gz", "p2/MASK.NII", "old/a.mnc")
    tree(tmp_path, *files, "notes.txt", "p1/._FLAIR.nii.gz", ".git/annex/x/FLAIR.nii.gz")
    used = [tmp_path / name for name in files[:2]]
    assert unused_files(tmp_path, used, {"p2/MASK.NII": "of the brain"}) == {
        "old/a.mnc": "in a format that is not read, want NIfTI",
        "p2/MASK.NII": "of the brain",
        "p2/flair.nii.gz": "of no scan that is read",
    }


def test_a_folder_of_dicom_slices_is_one_place(tmp_path):
    tree(tmp_path, *(f"p{p}/CT/{n}.dcm" for p in (1, 2) for n in range(5)), "p1/seg/1.dcm")
    assert list(unused_files(tmp_path, [tmp_path / "p1/CT"])) == ["p1/seg/1.dcm", "p2/CT"]
    (tmp_path / "p3").mkdir()
    for name in ("IM0001", "IM0002"):
        (tmp_path / "p3" / name).write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 20)
    assert "p3" in unused_files(tmp_path, [])


@pytest.mark.parametrize(
    "names",
    [("1.2.840.7.1", "1.2.840.7.2"), ("MR.A.0001.IMA", "b.ima"), ("DICOMDIR", "IM1", "IM2")],
)
def test_slices_named_by_uid_or_ima_are_a_folder_of_slices(tmp_path, names):
    tree(tmp_path, "p3/A_README")
    for name in names:
        (tmp_path / "p3" / name).write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 20)
    assert "p3" in unused_files(tmp_path, [])
    assert volume_places(tmp_path) == [tmp_path / "p3"]


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (("a.nii.gz", "mask.nii.gz", "b_lesion-seg.nii"), {"mask.nii.gz", "b_lesion-seg.nii"}),
        (("a_0000.nii.gz", "extra_0001.nii.gz"), {"extra_0001.nii.gz"}),
        (("a_0000.nii", "sub_2023.nii", "seg_0000.nii"), set()),  # a year, and an image
        (("sub_0001.nii", "sub_0002.nii"), set()),
        (("sub_0000.nii", "sub_0001.nii"), set()),
        (("stroke_1.nii", "lesion_2.nii"), set()),
        (("seg_1.nii", "seg_2.nii"), set()),  # the name of a study
    ],
)
def test_masks_and_further_channels_are_no_scans_to_predict(tmp_path, names, left):
    assert set(no_scans([tmp_path / name for name in names])) == left


@LINUX
def test_links_that_lead_nowhere_pipes_and_linked_folders(tmp_path):
    root = tree(tmp_path / "data", "a.nii")
    tree(tmp_path / "else", "b.nii")
    os.symlink("gone", root / "link.nii.gz")
    os.symlink(tmp_path / "else", root / "more")
    os.symlink(tmp_path / "else", root / "once_more")
    os.symlink(tmp_path, root / "up")
    tree(root, "sub/c.nii")
    os.symlink(root / "sub", root / "sub" / "circle")
    os.mkfifo(root / "pipe.nii")
    reasons = unused_files(root, [root / "a.nii"])
    assert "link to a file that is not there" in reasons["link.nii.gz"]
    assert "no regular file" in reasons["pipe.nii"]
    assert "of no scan" in reasons["more/b.nii"]
    assert "elsewhere" in reasons["once_more"]
    assert "holds this one" in reasons["up"]
    assert "holds this one" in reasons["sub/circle"]
    assert "of no scan" in reasons["sub/c.nii"]
    assert len(reasons) == 7


def test_one_line_counts_them_by_reason():
    assert unused_words({}) == ""
    assert unused_words({"a": "too old"}) == "1 file; too old: 1 (a)"
    many = {f"{n}": "too old" for n in range(4)} | {"b": "too new"}
    assert unused_words(many) == "5 files; too old: 4 (0, 1, 2, ...); too new: 1 (b)"
