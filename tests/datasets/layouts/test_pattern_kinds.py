"""Words that all of a dataset's files have say nothing of what one of them is."""

from __future__ import annotations

import pytest
from layout_trees import tree

from lesionseg.datasets.dataset import find_scans
from lesionseg.datasets.layouts.pattern_kinds import pattern_kinds
from lesionseg.errors import LesionsegError


@pytest.mark.parametrize(
    ("names", "cases", "images", "mask"),
    [
        (
            ["stroke0{n}_flair.nii.gz", "stroke0{n}_mask.nii.gz"],
            ["stroke01", "stroke02", "stroke03"],
            ["stroke01_flair.nii.gz"],
            "stroke01_mask.nii.gz",
        ),
        (
            ["stroke_0{n}_flair.nii.gz", "stroke_0{n}_mask.nii.gz"],
            ["01", "02", "03"],
            ["stroke_01_flair.nii.gz"],
            "stroke_01_mask.nii.gz",
        ),
        (
            ["p{n}/tumor_t1.nii.gz", "p{n}/tumor_flair.nii.gz", "p{n}/tumor_mask.nii.gz"],
            ["p1", "p2", "p3"],
            ["tumor_flair.nii.gz", "tumor_t1.nii.gz"],
            "tumor_mask.nii.gz",
        ),
        (
            ["p{n}/glioma_p{n}_t1.nii", "p{n}/glioma_p{n}_seg.nii", "p{n}/brain_mask.nii"],
            ["p1", "p2", "p3"],
            ["glioma_p1_t1.nii"],
            "glioma_p1_seg.nii",
        ),
    ],
)
def test_a_dataset_named_after_its_disease_is_read(tmp_path, names, cases, images, mask):
    files = [name.format(n=n) for n in (1, 2, 3) for name in names]
    dataset = find_scans(None, tree(tmp_path, *files))
    first, *_ = dataset.scans
    assert [scan.case for scan in dataset.scans] == cases
    assert [path.name for path in first.images] == images
    assert first.mask.name == mask


def test_a_mask_that_names_its_image_is_no_image_where_there_is_one():
    kinds = {
        "{patient}/t1.nii": "image",
        "{patient}/lesion_t1.nii": "lesion",
        "{patient}/lesion_mask.nii": "lesion",
    }
    assert pattern_kinds(kinds) == kinds


def test_masks_alone_are_not_taken_for_images(tmp_path):
    names = ["p{n}/lesion_t1.nii", "p{n}/lesion_flair.nii"]
    with pytest.raises(LesionsegError, match="no layout fits"):
        find_scans(None, tree(tmp_path, *(x.format(n=n) for n in (1, 2) for x in names)))


def test_one_pattern_of_lesions_keeps_its_kind():
    assert pattern_kinds(["{patient}/tumor_t1.nii"]) == {"{patient}/tumor_t1.nii": "lesion"}
