"""Folders of ordinary labs, read as what they plainly are, by trees of empty files."""

from __future__ import annotations

import pytest
from layout_trees import tree

from lesionseg.datasets.dataset import find_scans
from lesionseg.datasets.layouts.guessed_patterns import guess_patterns
from lesionseg.errors import NoInputError, UsageError

NUMBERS = (1, 2, 3)


def files(*patterns, numbers=NUMBERS):
    return [pattern.format(n=n) for n in numbers for pattern in patterns]


FOLDERS = {
    "suffixes in one folder": (
        files("P{n}_flair.nii.gz", "P{n}_mask.nii.gz"),
        {"flair": "{case}_flair.nii.gz"},
        "{case}_mask.nii.gz",
    ),
    "prefixes in one folder": (
        files("img_{n}.nii", "seg_{n}.nii"),
        {"img": "img_{case}.nii"},
        "seg_{case}.nii",
    ),
    "visits in one folder": (
        files("P{n}_T1_flair.nii", "P{n}_T1_lesion.nii", "P{n}_T2_flair.nii", "P{n}_T2_lesion.nii"),
        {"flair": "{case}_flair.nii"},
        "{case}_lesion.nii",
    ),
    "visits in the folder of a patient": (
        files(
            *(f"P{{n}}/P{{n}}_T{t}_{kind}.nii.gz" for t in (1, 2) for kind in ("flair", "t1")),
            *(f"P{{n}}/P{{n}}_T{t}_mask.nii.gz" for t in (1, 2)),
        ),
        {
            "flair": "{patient}/{patient}_{session}_flair.nii.gz",
            "t1": "{patient}/{patient}_{session}_t1.nii.gz",
        },
        "{patient}/{patient}_{session}_mask.nii.gz",
    ),
    "visits after the kind": (
        files(
            *(f"P{{n}}/{kind}_T{t}.nii.gz" for t in (1, 2) for kind in ("flair", "t1", "lesion"))
        ),
        {"flair": "{patient}/flair_{session}.nii.gz", "t1": "{patient}/t1_{session}.nii.gz"},
        "{patient}/lesion_{session}.nii.gz",
    ),
    "T1-FLAIR and T2-FLAIR are two channels, with one mask": (
        files("P{n}/T1_FLAIR.nii.gz", "P{n}/T2_FLAIR.nii.gz", "P{n}/lesion.nii.gz"),
        {
            "T1_FLAIR": "{patient}/T1_FLAIR.nii.gz",
            "T2_FLAIR": "{patient}/T2_FLAIR.nii.gz",
        },
        "{patient}/lesion.nii.gz",
    ),
    "images and masks": (
        files("images/c{n}.nii.gz", "masks/c{n}.nii.gz"),
        {"images": "images/{case}.nii.gz"},
        "masks/{case}.nii.gz",
    ),
    "images and segmentations with a suffix": (
        files("images/c{n}.mha", "segmentations/c{n}_seg.mha"),
        {"images": "images/{case}.mha"},
        "segmentations/{case}_seg.mha",
    ),
    "nnU-Net's folders without dataset.json": (
        [
            *files("imagesTr/c{n}_0000.nii", "imagesTr/c{n}_0001.nii", "labelsTr/c{n}.nii"),
            *files("imagesTs/t{n}_0000.nii", "imagesTs/t{n}_0001.nii"),
        ],
        {
            "channel_0000": "images{split}/{case}_0000.nii",
            "channel_0001": "images{split}/{case}_0001.nii",
        },
        "labels{split}/{case}.nii",
    ),
    "a study number within the names": (
        files("10{n}/10{n}_77{n}_t2w.mha", "10{n}/10{n}_77{n}_adc.mha", "lesions/10{n}_77{n}.nii"),
        {
            "adc": "{patient}/{patient}_{study}_adc.mha",
            "t2w": "{patient}/{patient}_{study}_t2w.mha",
        },
        "lesions/{patient}_{study}.nii",
    ),
    "folders of DICOM slices": (
        files("P{n}/CT/1.dcm", "P{n}/CT/2.dcm", "P{n}/mask.nii.gz"),
        {"CT": "{patient}/CT"},
        "{patient}/mask.nii.gz",
    ),
    "a folder for each channel": (
        files("FLAIR/P{n}.nii", "T1/P{n}.nii", "lesions/P{n}.nii"),
        {"FLAIR": "FLAIR/{case}.nii", "T1": "T1/{case}.nii"},
        "lesions/{case}.nii",
    ),
    "patients named after a disease": (
        files("BraTS-MET-0{n}/BraTS-MET-0{n}-t1c.nii", "BraTS-MET-0{n}/BraTS-MET-0{n}-seg.nii"),
        {"t1c": "{patient}/{patient}-t1c.nii"},
        "{patient}/{patient}-seg.nii",
    ),
    "a lesion mask beside that of the brain": (
        files("P{n}/FLAIR.nii", "P{n}/brain_mask.nii", "P{n}/plaques.nii"),
        {"FLAIR": "{patient}/FLAIR.nii"},
        "{patient}/plaques.nii",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_as_labs_have_them(tmp_path, name):
    names, channels, mask = FOLDERS[name]
    guess = guess_patterns(tree(tmp_path, *names))
    assert (guess.channels, guess.mask) == (channels, mask)
    dataset = find_scans(None, tmp_path)
    assert dataset.rejected == {}
    assert f"lesion masks: {mask}" in dataset.found


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        (["brain_mask"], "'{patient}/brain_mask.nii', none says that it is the mask"),
        (["thing"], "'{patient}/thing.nii', none says that it is the mask"),
        (["rater1_mask", "rater2_mask"], "several may be the mask of the lesions"),
    ],
)
def test_where_names_do_not_tell_the_mask_is_asked_for(tmp_path, beside, words):
    names = [f"P{{n}}/{name}.nii" for name in ("FLAIR", *beside)]
    root = tree(tmp_path, *files(*names))
    with pytest.raises(UsageError) as caught:
        find_scans(None, root)
    assert words in str(caught.value)
    assert f"data.mask='{{patient}}/{beside[0]}.nii'" in str(caught.value)
    for answer in (f"{{patient}}/{beside[0]}.nii", f"{beside[0]}.nii"):
        dataset = find_scans(None, root, mask=answer)
        assert [channel.name for channel in dataset.channels] == ["FLAIR"]
        assert {scan.mask.name for scan in dataset.scans} == {f"{beside[0]}.nii"}
    with pytest.raises(UsageError, match=r"'absent\.nii', which .* does not hold once; got "):
        find_scans(None, root, mask="absent.nii")


def test_folders_that_say_train_and_test_are_the_split(tmp_path):
    training = files("train/P{n}/FLAIR.nii", "train/P{n}/lesion.nii")
    dataset = find_scans(None, tree(tmp_path, *training, *files("test/Q{n}/FLAIR.nii")))
    tests = [scan.case for scan in dataset.scans if scan.split == "test"]
    assert tests == ["Q1", "Q2", "Q3"]
    assert dataset.rejected == {}


def test_test_scans_of_which_none_fits_are_not_passed_over(tmp_path):
    training = files("imagesTr/c{n}_0000.nii", "labelsTr/c{n}.nii")
    with pytest.raises(UsageError, match=r"imagesTs/t1\.nii lies among test scans and does not"):
        find_scans(None, tree(tmp_path, *training, *files("imagesTs/t{n}.nii")))


def test_files_that_nearly_fit_are_counted_with_the_reason(tmp_path):
    odd = ("P8/flair.nii", "P9/FLAIR.nii.gz", "P10/ses1/FLAIR.nii", "P1/brain_mask.nii")
    dataset = find_scans(None, tree(tmp_path, *files("P{n}/FLAIR.nii", "P{n}/les.nii"), *odd))
    assert dataset.unused == {
        "P1/brain_mask.nii": "mask whose name does not say lesion",
        "P10/ses1/FLAIR.nii": "named as the pattern says, in folders of another depth",
        "P8/flair.nii": "written with other capitals or endings than the pattern",
        "P9/FLAIR.nii.gz": "written with other capitals or endings than the pattern",
    }


def test_a_mask_of_one_patient_alone_is_not_passed_over(tmp_path):
    dataset = find_scans(None, tree(tmp_path, *files("P{n}/FLAIR.nii"), "P1/lesion.nii"))
    assert [scan.case for scan in dataset.scans] == ["P1"]
    assert "mask P2/lesion.nii is missing" in dataset.rejected["P2"]
    tree(tmp_path, *(f"P1/lesion_{n}0.nii" for n in range(1, 10)))
    with pytest.raises(UsageError, match="and 4 more, several may be the mask"):
        find_scans(None, tmp_path)


def test_series_of_dicom_that_numbers_alone_tell_apart_are_no_layout(tmp_path):
    names = [f"P{n}/1.2.{n}{series}/{k}.dcm" for n in NUMBERS for series in "34" for k in "12"]
    with pytest.raises(NoInputError, match="no layout fits"):
        find_scans(None, tree(tmp_path, *names, *files("P{n}/mask.nii")))


def test_one_patient_alone_and_names_of_kinds_alone_are_no_layout(tmp_path):
    with pytest.raises(NoInputError, match="no layout fits"):
        find_scans(None, tree(tmp_path, "P1/FLAIR.nii", "P1/mask.nii"))


ISBI = files(
    *(
        f"training0{{n}}/preprocessed/training0{{n}}_0{t}_{kind}_pp.nii"
        for t in (1, 2)
        for kind in ("flair", "mprage", "pd", "t2")
    ),
    *(f"training0{{n}}/masks/training0{{n}}_0{t}_mask{m}.nii" for t in (1, 2) for m in (1, 2)),
)
MSSEG = [
    place
    for centre in ("Center_01", "Center_07")
    for place in files(
        *(
            f"{centre}/Patient_0{{n}}/{folder}/{kind}{ending}.nii.gz"
            for folder, ending in (("Preprocessed_Data", "_preprocessed"), ("Raw_Data", ""))
            for kind in ("FLAIR", "T1", "T2", "DP", "GADO")
        ),
        *(
            f"{centre}/Patient_0{{n}}/Masks/{name}.nii.gz"
            for name in ("Consensus", "Brain_Mask", *(f"ManualSegmentation_{m}" for m in range(8)))
        ),
    )
]


@pytest.mark.parametrize(
    ("names", "question", "mask", "pattern", "case", "patient", "place", "channels"),
    [
        (
            ISBI,
            "data.mask='{patient}/masks/{patient}_{session}_mask1.nii'",
            "{patient}/masks/{patient}_{session}_mask2.nii",
            "{patient}/masks/{patient}_{session}_mask2.nii",
            "training01_02",
            "training01",
            "training01/masks/training01_02_mask2.nii",
            ["flair_pp", "mprage_pp", "pd_pp", "t2_pp"],
        ),
        (
            MSSEG,
            "data.mask='{group}/{patient}/Masks/Consensus.nii.gz'",
            "Consensus.nii.gz",
            "{group}/{patient}/Masks/Consensus.nii.gz",
            "Center_07_Patient_02",
            "Center_07_Patient_02",
            "Center_07/Patient_02/Masks/Consensus.nii.gz",
            ["FLAIR_preprocessed", "T1_preprocessed", "T2_preprocessed"],
        ),
    ],
    ids=["ISBI 2015", "MSSEG 2016"],
)
def test_masks_of_several_raters_are_asked_about_and_the_answer_works(
    tmp_path, names, question, mask, pattern, case, patient, place, channels
):
    root = tree(tmp_path, *names)
    with pytest.raises(UsageError) as caught:
        find_scans(None, root)
    assert question in str(caught.value)
    dataset = find_scans(None, root, mask=mask)
    assert dataset.card.reading.mask == pattern
    assert [channel.name for channel in dataset.channels] == channels
    assert len(dataset.scans) == 6
    (scan,) = [one for one in dataset.scans if one.case == case]
    assert scan.patient == patient
    assert scan.mask == root / place
    used = {path for one in dataset.scans for path in one.paths}
    assert len(dataset.unused) == len(names) - len(used)  # the others are named


@pytest.mark.parametrize("part", ["val", "validation"])
def test_a_folder_for_validation_holds_training_scans_and_this_is_said(tmp_path, part):
    tree(tmp_path, *files("train/images/P{n}.nii", "train/masks/P{n}.nii"))
    tree(tmp_path, *files(f"{part}/images/P{{n}}.nii", f"{part}/masks/P{{n}}.nii", numbers=(4, 5)))
    dataset = find_scans(None, tmp_path)
    assert [scan.split for scan in dataset.scans] == ["train"] * 5
    assert "2 validation scans among those for training, which are split anew" in dataset.found


@pytest.mark.parametrize("mask", ["P{n}_mask.nii.gz", "P{n}-lesion.nii.gz"])
def test_masks_beside_images_without_a_suffix_are_no_scans(tmp_path, mask):
    dataset = find_scans(None, tree(tmp_path, *files("P{n}.nii.gz", mask)))
    assert [(s.case, s.mask and s.mask.name) for s in dataset.scans] == [
        (f"P{n}", mask.format(n=n)) for n in NUMBERS
    ]
    assert (dataset.rejected, dataset.unused) == ({}, {})


def test_an_image_whose_mask_is_missing_is_still_said(tmp_path):
    root = tree(tmp_path, *files("P{n}.nii.gz", "P{n}_mask.nii.gz"), "P4.nii.gz")
    assert list(find_scans(None, root).rejected) == ["P4"]
