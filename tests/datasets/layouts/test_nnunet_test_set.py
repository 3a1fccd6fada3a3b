"""The test set of an nnU-Net folder is read whole, or the folder is refused: never another one."""

from __future__ import annotations

import os
import sys

import pytest
from layout_trees import NNUNET, tree

from lesionseg.datasets.layouts import read_nnunet
from lesionseg.errors import UsageError

TRAINING = tuple(
    name for n in range(3) for name in (f"imagesTr/a{n}_0000.nii.gz", f"labelsTr/a{n}.nii.gz")
)


def test_images_without_a_channel_number_are_refused_by_name(tmp_path):
    names = [f"imagesTs/b{n}.nii.gz" for n in range(4)]
    with pytest.raises(UsageError, match=r"holds 4 images without a channel number: b0\.nii\.gz"):
        read_nnunet(tree(tmp_path, *TRAINING, *names, dataset=NNUNET))


def test_a_case_in_both_parts_is_refused_by_name(tmp_path):
    root = tree(tmp_path, *TRAINING, "imagesTs/a1_0000.nii.gz", dataset=NNUNET)
    with pytest.raises(UsageError, match="1 cases in both imagesTr and imagesTs: a1; rename"):
        read_nnunet(root)


def test_files_may_end_otherwise_than_dataset_json_says(tmp_path):
    names = ("imagesTs/b_0000.nii", "labelsTs/b.nii.gz", "imagesTs/c_0000.mha")
    layout = read_nnunet(tree(tmp_path, *TRAINING, *names, dataset=NNUNET))
    tests = [(s.case, s.images[0].name, s.mask) for s in layout.scans if s.split == "test"]
    assert tests == [
        ("b", "b_0000.nii", tmp_path / "labelsTs/b.nii.gz"),
        ("c", "c_0000.mha", None),
    ]


def test_a_test_set_of_which_nothing_can_be_used_is_not_replaced(tmp_path):
    two = NNUNET | {"channel_names": {"0": "FLAIR", "1": "T1"}}
    names = [f"{name[:-8]}1.nii.gz" for name in TRAINING if name.startswith("images")]
    root = tree(tmp_path, *TRAINING, *names, "imagesTs/b_0000.nii.gz", dataset=two)
    with pytest.raises(UsageError, match=r"none of the 1 test scans .*missing channel T1"):
        read_nnunet(root)
    tree(root, "imagesTs/c_0000.nii.gz", "imagesTs/c_0001.nii.gz")
    assert [scan.case for scan in read_nnunet(root).scans if scan.split == "test"] == ["c"]


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_a_link_to_nothing_is_named(tmp_path):
    root = tree(tmp_path, *TRAINING, "labelsTr/b.nii.gz", dataset=NNUNET)
    os.symlink("../.git/annex/b", root / "imagesTr/b_0000.nii.gz")
    assert "link to a file that is not there; fetch it" in read_nnunet(root).rejected["b"]
