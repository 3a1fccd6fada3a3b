"""Which layout a folder has, by trees made by hand."""

from __future__ import annotations

import pytest
from layout_trees import BIDS_FILES, MSD, MSD_FILES, NNUNET, tree

from lesionseg.datasets.layouts import detect_layout
from lesionseg.datasets.layouts.guessed_patterns import guess_patterns
from lesionseg.errors import NoInputError, UsageError

V1 = MSD | {"training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]}


@pytest.mark.parametrize(
    ("files", "dataset", "layout"),
    [
        (("imagesTr/a_0000.nii.gz",), NNUNET, "nnunet"),
        (("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"), V1, "nnunet"),
        (MSD_FILES, MSD, "msd"),
        (BIDS_FILES, None, "bids"),
        (("dataset_description.json", "sub-1/anat/sub-1_T1w.nii"), None, "bids"),
        (("p1/FLAIR.nii", "p2/FLAIR.nii"), None, "patterns"),
    ],
)
def test_the_layout_is_found(tmp_path, files, dataset, layout):
    assert detect_layout(tree(tmp_path, *files, dataset=dataset)).layout == layout


def test_a_table_is_found_in_its_folder_or_given_itself(tmp_path):
    (tmp_path / "scans.tsv").write_text("case\tT1\na\ta.nii\n")
    (tmp_path / "notes.csv").write_text("who,what\n")
    for root in (tmp_path, tmp_path / "scans.tsv"):
        found = detect_layout(root)
        assert (found.layout, found.table) == ("table", tmp_path / "scans.tsv")
    (tmp_path / "more.csv").write_text("case,T1\na,a.nii\n")
    with pytest.raises(UsageError, match=r"several tables of paths: more\.csv, scans\.tsv"):
        detect_layout(tmp_path)


def test_folders_of_like_named_images_become_patterns(tmp_path):
    for patient in ("patient07", "patient19", "patient26"):
        names = ("FLAIR", "T1", "T2", "consensus_gt")
        tree(tmp_path, *(f"{patient}/{name}.nii.gz" for name in names))
        tree(tmp_path, f"masks_native/{patient}.nii.gz", f"masks_mni/{patient}.nii.gz")
    guess = guess_patterns(tmp_path)
    assert guess.channels == {name: f"{{patient}}/{name}.nii.gz" for name in ("FLAIR", "T1", "T2")}
    assert guess.mask == "{patient}/consensus_gt.nii.gz"


def test_folder_names_within_file_names_become_fields(tmp_path):
    for patient, times in (("P1", ("T1", "T2")), ("P2", ("T1",))):
        for time in times:
            tree(
                tmp_path,
                *(f"{patient}/{time}/{patient}_{time}_{name}.nii.gz" for name in ("T1", "MASK")),
            )
    guess = guess_patterns(tmp_path)
    assert guess.channels == {"T1": "{patient}/{session}/{patient}_{session}_T1.nii.gz"}
    assert guess.mask == "{patient}/{session}/{patient}_{session}_MASK.nii.gz"


@pytest.mark.parametrize(
    "files", [(), ("a.nii.gz", "b.nii.gz"), ("p1/a.nii", "p2/b.nii"), ("x.txt",)]
)
def test_what_has_no_layout_is_no_input(tmp_path, files):
    with pytest.raises(NoInputError, match="no layout fits"):
        detect_layout(tree(tmp_path, *files))
    with pytest.raises(NoInputError, match="no folder and no table"):
        detect_layout(tmp_path / "absent")
