"""Folders found by hand-made trees of empty files: layouts look at names, never into volumes."""

from __future__ import annotations

import json
import os
import sys

import pytest

from lesionseg.datasets.layouts import patient_of, read_nnunet, read_patterns
from lesionseg.errors import NoInputError, UsageError

DATASET = {
    "channel_names": {"0": "FLAIR", "1": "T1"},
    "labels": {"background": 0, "lesion": 1},
    "file_ending": ".nii.gz",
}


def tree(root, *names, dataset=None):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    if dataset is not None:
        (root / "dataset.json").write_text(json.dumps(dataset))
    return root


def test_nnunet_raw(tmp_path):
    tree(
        tmp_path,
        *("imagesTr/p1_a_0000.nii.gz", "imagesTr/p1_a_0001.nii.gz", "labelsTr/p1_a.nii.gz"),
        *("imagesTs/p2_a_0000.nii.gz", "imagesTs/p2_a_0001.nii.gz", "labelsTs/p2_a.nii.gz"),
        *("imagesTs/p3_a_0000.nii.gz", "imagesTs/p3_a_0001.nii.gz", "imagesTr/.DS_Store"),
        dataset=DATASET,
    )
    layout = read_nnunet(tmp_path)
    assert layout.channels == ("FLAIR", "T1")
    assert layout.labels == {"lesion": (1,)}
    assert layout.rejected == {}
    assert [(s.case, s.patient, s.split) for s in layout.scans] == [
        ("p1_a", "p1_a", "train"),
        ("p2_a", "p2_a", "test"),
        ("p3_a", "p3_a", "test"),
    ]
    first, second, third = layout.scans
    assert first.images == tuple(tmp_path / f"imagesTr/p1_a_000{c}.nii.gz" for c in (0, 1))
    assert first.mask == tmp_path / "labelsTr/p1_a.nii.gz"
    assert second.mask == tmp_path / "labelsTs/p2_a.nii.gz"
    assert third.mask is None


def test_version_1_with_modality_other_ending_and_patients(tmp_path):
    dataset = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "nodule", "2": "mass"}}
    tree(
        tmp_path,
        *("imagesTr/s1_p7_0000.nrrd", "labelsTr/s1_p7.nrrd"),
        dataset=dataset | {"file_ending": ".nrrd"},
    )
    layout = read_nnunet(tmp_path, patient="_(?P<patient>p[0-9]+)")
    assert layout.channels == ("CT",)
    assert layout.labels == {"nodule": (1,), "mass": (2,)}
    assert layout.scans[0].patient == "p7"


def test_region_labels_name_all_their_values(tmp_path):
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    names = ("imagesTs/a_0000.nii.gz", "imagesTs/a_0001.nii.gz")
    tree(tmp_path, *names, dataset=DATASET | {"labels": labels})
    assert read_nnunet(tmp_path).labels == {"whole": (1, 2), "core": (2,)}


def test_incomplete_cases_are_rejected_with_what_they_lack_and_the_others_go_on(tmp_path):
    tree(
        tmp_path,
        *("imagesTr/whole_0000.nii.gz", "imagesTr/whole_0001.nii.gz", "labelsTr/whole.nii.gz"),
        *("imagesTr/half_0001.nii.gz", "labelsTr/half.nii.gz"),
        *("imagesTr/bare_0000.nii.gz", "imagesTr/bare_0001.nii.gz"),
        "labelsTr/lone.nii.gz",
        dataset=DATASET,
    )
    layout = read_nnunet(tmp_path)
    assert [scan.case for scan in layout.scans] == ["whole"]
    assert layout.rejected == {
        "half": "case half: missing channel FLAIR (imagesTr/half_0000.nii.gz): "
        "got 1 of 2 (T1), want FLAIR, T1",
        "bare": "case bare: mask labelsTr/bare.nii.gz is missing; add it, or move the images away",
        "lone": "case lone: missing channel FLAIR (imagesTr/lone_0000.nii.gz), "
        "T1 (imagesTr/lone_0001.nii.gz): got 0 of 2 (none), want FLAIR, T1",
    }


def test_dataset_json_may_list_its_cases(tmp_path):
    listed = {"a": {"images": ["raw/a1.nii.gz", "raw/a2.nii.gz"], "label": "raw/am.nii.gz"}}
    tree(tmp_path, *("raw/a1.nii.gz", "raw/a2.nii.gz", "raw/am.nii.gz"))
    tree(tmp_path, dataset=DATASET | {"dataset": listed})
    assert read_nnunet(tmp_path).scans[0].mask == tmp_path / "raw/am.nii.gz"
    for bad in ("../x.nii.gz", "/etc/x.nii.gz", "raw/../../x", "C:/x", "..\\x"):
        listed["a"]["label"] = bad
        tree(tmp_path, dataset=DATASET | {"dataset": listed})
        with pytest.raises(UsageError, match="leaves the data folder"):
            read_nnunet(tmp_path)
    tree(tmp_path, dataset=DATASET | {"dataset": {"../a": listed["a"]}})
    with pytest.raises(UsageError, match="no slash"):
        read_nnunet(tmp_path)


def test_a_listed_case_with_too_few_images_is_rejected(tmp_path):
    listed = {"a": {"images": ["a1.nii.gz"], "label": "am.nii.gz"}}
    tree(tmp_path, "a1.nii.gz", "am.nii.gz", dataset=DATASET | {"dataset": listed})
    assert "missing channel T1" in read_nnunet(tmp_path).rejected["a"]


def test_folders_and_json_that_are_not_nnunet(tmp_path):
    with pytest.raises(NoInputError, match=r"no dataset\.json"):
        read_nnunet(tmp_path)
    with pytest.raises(NoInputError, match="no scan named"):
        read_nnunet(tree(tmp_path, dataset=DATASET))
    for bad, words in (
        ({"labels": {}}, "modality"),
        ({"channel_names": {"1": "T1"}, "labels": {}}, "'0'"),
        ({"channel_names": {"0": "T1"}, "labels": {"lesion": "one"}}, "lesion"),
        (DATASET | {"file_ending": "../x"}, "file_ending"),
        ([], "garbles"),
    ):
        with pytest.raises(UsageError, match=words):
            read_nnunet(tree(tmp_path, dataset=bad))
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        read_nnunet(tmp_path)


def test_names_that_differ_in_case_only_clash(tmp_path):
    names = [f"imagesTs/{case}_000{c}.nii.gz" for case in ("ab", "AB") for c in (0, 1)]
    layout = read_nnunet(tree(tmp_path, *names, dataset=DATASET))
    assert len(layout.scans) == len(layout.rejected) == 1


PATTERNS = {"FLAIR": "{patient}/{session}/FLAIR.nii.gz", "T1": "{patient}/{session}/T1.nii.gz"}


def test_path_patterns(tmp_path):
    tree(
        tmp_path,
        *("p1/s1/FLAIR.nii.gz", "p1/s1/T1.nii.gz", "p1/s1/mask.nii.gz"),
        *("p1/s2/FLAIR.nii.gz", "p1/s2/T1.nii.gz", "p1/s2/mask.nii.gz"),
        *("p2/s1/FLAIR.nii.gz", "p2/s1/mask.nii.gz", "other/FLAIR.nii.gz"),
    )
    layout = read_patterns(
        tmp_path,
        channels=PATTERNS,
        mask="{patient}/{session}/mask.nii.gz",
    )
    assert [(s.case, s.patient, s.split) for s in layout.scans] == [
        ("p1_s1", "p1", "train"),
        ("p1_s2", "p1", "train"),
    ]
    assert layout.scans[1].images == (tmp_path / "p1/s2/FLAIR.nii.gz", tmp_path / "p1/s2/T1.nii.gz")
    assert layout.scans[1].mask == tmp_path / "p1/s2/mask.nii.gz"
    assert list(layout.rejected) == ["p2_s1"]
    assert "missing channel T1" in layout.rejected["p2_s1"]


def test_a_repeated_field_must_agree_and_case_names_the_case(tmp_path):
    tree(tmp_path, "p1/p1_FLAIR.nii", "p1/p2_FLAIR.nii")
    layout = read_patterns(tmp_path, channels={"FLAIR": "{case}/{case}_FLAIR.nii"}, mask=None)
    assert [(scan.case, scan.mask) for scan in layout.scans] == [("p1", None)]


def test_patterns_of_two_depths_and_a_field_that_says_the_part(tmp_path):
    tree(tmp_path, *("train/p1/t1/p1_t1_a.nii", "train/p1/t1/m.nii"), "train/p1/t2/p1_t2_a.nii")
    tree(tmp_path, *("test/p9/p9_a.nii", "test/p9/m.nii"))
    layout = read_patterns(
        tmp_path,
        channels={
            "a": "{split}/{patient}/{session}/{patient}_{session}_a.nii | "
            "{split}/{patient}/{patient}_a.nii"
        },
        mask="{split}/{patient}/{session}/m.nii | {split}/{patient}/m.nii",
    )
    assert [(s.case, s.patient, s.split) for s in layout.scans] == [
        ("p1_t1", "p1", "train"),
        ("p9", "p9", "test"),
    ]
    assert list(layout.rejected) == ["p1_t2"]
    assert "1 training scan, 1 test scan, 1 incomplete" in layout.found
    with pytest.raises(UsageError, match="as many for each file"):
        read_patterns(tmp_path, channels={"a": "{patient}/a | {patient}/b"}, mask="{patient}/m")
    tree(tmp_path, "pilot/p1/t1/p1_t1_a.nii")
    with pytest.raises(UsageError, match="'pilot'; want"):
        read_patterns(
            tmp_path, channels={"a": "{split}/{patient}/{s}/{patient}_{s}_a.nii"}, mask=None
        )


def test_each_rater_has_a_mask_and_one_that_lacks_is_said(tmp_path):
    tree(tmp_path, *("p1/a.nii", "p1/r1.nii", "p1/r2.nii"), *("p2/a.nii", "p2/r1.nii"))
    layout = read_patterns(
        tmp_path,
        channels={"a": "{patient}/a.nii"},
        mask=None,
        raters={"ann": "{patient}/r1.nii", "bob": "{patient}/r2.nii"},
        consensus="staple",
    )
    (scan,) = layout.scans
    assert scan.raters == (("ann", tmp_path / "p1/r1.nii"), ("bob", tmp_path / "p1/r2.nii"))
    assert (scan.mask, scan.consensus) == (None, "staple")
    assert scan.paths == tuple(tmp_path / "p1" / name for name in ("a.nii", "r1.nii", "r2.nii"))
    assert layout.rejected == {
        "p2": "case p2: mask p2/r2.nii is missing; add it, or move the images away"
    }


@pytest.mark.skipif(sys.platform == "win32", reason="makes links and pipes")
def test_a_link_to_nothing_and_a_pipe_in_place_of_a_file_are_named(tmp_path):
    tree(tmp_path, "p1/FLAIR.nii", "p1/mask.nii", "p2/mask.nii", "p3/mask.nii")
    os.symlink("../.git/annex/objects/x", tmp_path / "p2/FLAIR.nii")
    (tmp_path / "p3").mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "p3/FLAIR.nii")
    channels = {"FLAIR": "{patient}/FLAIR.nii"}
    layout = read_patterns(tmp_path, channels=channels, mask="{patient}/mask.nii")
    assert [scan.case for scan in layout.scans] == ["p1"]
    assert "p2/FLAIR.nii is a link to a file that is not there" in layout.rejected["p2"]
    assert "p3/FLAIR.nii is no regular file" in layout.rejected["p3"]


def test_a_pattern_s_own_brackets_are_letters(tmp_path):
    tree(tmp_path, "p1/a[1].nii", "p2/a1.nii")
    layout = read_patterns(tmp_path, channels={"a": "{patient}/a[1].nii"}, mask=None)
    assert [scan.case for scan in layout.scans] == ["p1"]


def test_patterns_that_cannot_work(tmp_path):
    tree(tmp_path, "p1/a.nii")
    for channels, mask, words in (
        ({"a": "../{case}/a.nii"}, None, "leaves the data folder"),
        ({"a": "/{case}/a.nii"}, None, "leaves the data folder"),
        ({"a": "{case}/a.nii"}, "../{case}/m.nii", "leaves the data folder"),
        ({"a": "{case}/a.nii"}, "{rater}/m.nii", "rater"),
        ({"a": "a.nii"}, None, "no field"),
    ):
        with pytest.raises(UsageError, match=words):
            read_patterns(tmp_path, channels=channels, mask=mask)
    with pytest.raises(NoInputError, match="fits the pattern"):
        read_patterns(tmp_path, channels={"a": "{case}/b.nii"}, mask=None)


def test_a_patient_pattern_that_does_not_fit_is_refused():
    assert patient_of("b19m01", "^b[0-9]+") == "b19"
    with pytest.raises(UsageError, match="does not fit case real07"):
        patient_of("real07", "^b[0-9]+")
