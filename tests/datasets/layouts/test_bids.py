"""BIDS folders, made by hand of empty files."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_trees import BIDS_FILES, tree

from lesionseg.datasets.layouts import read_bids
from lesionseg.datasets.layouts.bids_names import parse_name
from lesionseg.errors import NoInputError, UsageError


def test_sessions_are_scans_and_subjects_patients(tmp_path):
    layout = read_bids(tree(tmp_path, *BIDS_FILES))
    assert layout.channels == ("FLAIR", "T1w")
    assert [(s.case, s.patient) for s in layout.scans] == [
        ("sub-01_ses-a", "sub-01"),
        ("sub-01_ses-b", "sub-01"),
        ("sub-02", "sub-02"),
    ]
    lesions = tmp_path / "derivatives/lesions"
    assert layout.scans[0].mask == (
        lesions / "sub-01/ses-a/anat/sub-01_ses-a_label-lesion_mask.nii.gz"
    )
    assert layout.scans[2].mask == lesions / "sub-02/anat/sub-02_label-lesion_mask.nii.gz"
    assert layout.rejected == {}


def test_runs_are_scans_of_their_own_and_share_what_has_no_run(tmp_path):
    anat = "sub-1/anat/sub-1"
    names = [f"{anat}_run-1_FLAIR.nii", f"{anat}_run-2_FLAIR.nii", f"{anat}_T1w.nii"]
    masks = [f"derivatives/x/{anat}_run-{run}_label-lesion_dseg.nii" for run in (1, 2)]
    layout = read_bids(tree(tmp_path, *names, *masks))
    assert [scan.case for scan in layout.scans] == ["sub-1_run-1", "sub-1_run-2"]
    for run, scan in zip("12", layout.scans):
        assert scan.images == (
            tmp_path / f"{anat}_run-{run}_FLAIR.nii",
            tmp_path / f"{anat}_T1w.nii",
        )
        assert scan.mask == tmp_path / f"derivatives/x/{anat}_run-{run}_label-lesion_dseg.nii"


def test_channels_and_mask_can_be_singled_out(tmp_path):
    names = ["acq-2D_FLAIR", "acq-3D_FLAIR", "T1w"]
    masks = ["label-lesion_mask", "label-lesion_desc-auto_mask"]
    root = tree(
        tmp_path,
        *(f"sub-1/anat/sub-1_{name}.nii.gz" for name in names),
        *(f"derivatives/a/sub-1/anat/sub-1_{name}.nii.gz" for name in masks),
    )
    assert "2 files for channel FLAIR" in read_bids(root).rejected["sub-1"]
    wanted = {"FLAIR": "acq-3D_FLAIR"}
    assert "2 masks: " in read_bids(root, channels=wanted).rejected["sub-1"]
    (scan,) = read_bids(root, channels=wanted, mask="desc-auto_mask").scans
    assert scan.images == (root / "sub-1/anat/sub-1_acq-3D_FLAIR.nii.gz",)
    assert scan.mask.name == "sub-1_label-lesion_desc-auto_mask.nii.gz"
    with pytest.raises(UsageError, match="no end of a BIDS name"):
        read_bids(root, channels={"FLAIR": "../FLAIR"})


def test_masks_right_below_derivatives_are_found_too(tmp_path):
    case = "sub-strokecase0001/ses-0001"
    name = "sub-strokecase0001_ses-0001"
    tree(
        tmp_path,
        *(f"{case}/dwi/{name}_dwi.nii.gz", f"{case}/dwi/{name}_adc.nii.gz"),
        *(f"{case}/anat/{name}_FLAIR.nii.gz", f"derivatives/{case}/{name}_msk.nii.gz"),
    )
    (scan,) = read_bids(tmp_path, channels={"DWI": "dwi", "ADC": "adc"}, mask="msk").scans
    assert scan.case == name
    assert [path.name for path in scan.images] == [f"{name}_dwi.nii.gz", f"{name}_adc.nii.gz"]
    assert scan.mask == tmp_path / "derivatives" / case / f"{name}_msk.nii.gz"


def test_a_session_without_a_channel_is_rejected_and_the_others_go_on(tmp_path):
    tree(tmp_path, *BIDS_FILES, "sub-03/anat/sub-03_FLAIR.nii.gz")
    layout = read_bids(tmp_path)
    assert len(layout.scans) == 3
    words = "case sub-03: missing channel T1w; want FLAIR, T1w; got FLAIR"
    assert layout.rejected == {"sub-03": words}


def test_a_file_in_the_folder_of_another_session_is_nobodys(tmp_path):
    tree(tmp_path, *BIDS_FILES, "sub-03/ses-1/anat/sub-03_ses-2_FLAIR.nii.gz")
    layout = read_bids(tmp_path)
    cases = [*layout.rejected, *(scan.case for scan in layout.scans)]
    assert cases
    assert not [case for case in cases if "03" in case]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_T1w.nii.gz", ({"sub": "01"}, "T1w")),
        ("sub-01_ses-2_acq-x_run-03_FLAIR.nii", None),
        ("FLAIR.nii.gz", None),
        ("sub-01.nii.gz", None),
        ("sub-01_ses-2.nii.gz", None),
        ("sub-01__T1w.nii.gz", None),
        ("ses-1_T1w.nii.gz", None),
    ],
)
def test_names_by_the_specification(name, expected):
    named = parse_name(Path(name))
    if name.startswith("sub-01_ses-2_acq"):
        expected = ({"sub": "01", "ses": "2", "acq": "x", "run": "03"}, "FLAIR")
    assert (named and (dict(named.entities), named.suffix)) == expected


def test_no_subject_is_no_input(tmp_path):
    with pytest.raises(NoInputError, match="no sub-"):
        read_bids(tmp_path)
