"""Several lesion classes in a check: the table, the page and the terminal."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pytest

import lesionseg
from lesionseg.cli import main
from lesionseg.cohort_check import check_dataset
from lesionseg.cohort_check.page import check_content
from lesionseg.cohort_check.stage import check_table
from lesionseg.datasets.dataset import find_scans, load_card

BLOCKS = {"core": (1, 6), "cyst": (2, 12)}


@pytest.fixture
def folder(tmp_path):
    """nnU-Net's folder of three patients: a core of 2 x 2 x 2 in two, in one of them a cyst too,
    regions of 4 x 4 x 4 around either."""
    root = tmp_path / "raw"
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    place = np.linalg.norm(np.indices((24, 24, 24)) - 11.5, axis=0) < 11
    for number, inside in enumerate((["core", "cyst"], ["core"], [])):
        noise = np.random.default_rng(number).normal(0, 5, place.shape)
        image = np.where(place, 300 + noise, 0)
        mask = np.zeros(place.shape, np.uint8)
        for name in inside:
            value, at = BLOCKS[name]
            mask[at - 1 : at + 3, 9:13, 9:13] = 3
            mask[at : at + 2, 10:12, 10:12] = value
        image[mask > 0] += 100
        for path, array in (
            (f"imagesTr/p{number}_0000", image.astype(np.float32)),
            (f"labelsTr/p{number}", mask),
        ):
            nib.save(nib.Nifti1Image(array, np.eye(4)), root / f"{path}.nii.gz")
    labels = {"background": 0, "lesion": [1, 2, 3], "core": [1], "cyst": [2]}
    content = {"channel_names": {"0": "T1"}, "file_ending": ".nii.gz", "numTraining": 3}
    content |= {"labels": labels, "regions_class_order": [3, 1, 2]}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


CARD = "data.lesions=[lesion,core,cyst]"


def test_table_and_page_count_the_lesions_of_each_class(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["check", f"data.root={folder}", f"output={out}", CARD, "workers=0"]) == 0
    rows = list(csv.DictReader((out / "check.csv").read_text().splitlines()))
    heads = ["lesions", "lesion_ml", "lesions lesion", "lesions core", "lesions cyst"]
    assert [[row[head] for head in heads] for row in rows] == [
        ["4", "0.128", "2", "1", "1"],  # 2 blocks of 64 mm3, what lies inside them counted once
        ["2", "0.064", "1", "1", "0"],
        ["0", "0", "0", "0", "0"],
    ]
    said = capsys.readouterr().err
    assert "class cyst has lesions in 1 of 3 patients: it can be in one part alone" in said
    assert "[the folder]" in said
    page = (out / "check.html").read_text()
    assert "Lesions by class" in page
    assert "class cyst has lesions in 1 of 3 patients" in page


def test_the_page_tells_patients_scans_and_lesions_by_class(folder):
    card = load_card("nnunet")
    reading = card.reading.model_copy(update={"lesions": ("lesion", "core", "cyst")})
    dataset = find_scans(card.model_copy(update={"reading": reading}), folder)
    checked = check_dataset(dataset, folder, workers=0, progress=False)
    assert check_content(checked, 0)["class_rows"] == [
        ["training", "lesion", "2", "2", "3"],
        ["training", "core", "2", "2", "2"],
        ["training", "cyst", "1", "1", "1"],
    ]


def test_of_one_class_nothing_is_told_by_class(folder):
    card = load_card("nnunet")
    reading = card.reading.model_copy(update={"classes": {"lesion": (1, 2, 3)}})
    dataset = find_scans(card.model_copy(update={"reading": reading}), folder)
    checked = check_dataset(dataset, folder, workers=0, progress=False)
    assert check_content(checked, 0)["class_rows"] == []
    heads, _ = check_table(checked)
    assert "lesions lesion" not in heads


def test_the_classes_of_a_check_are_given_in_python_as_on_the_command_line(folder):
    """As regions; and two of the three values alone, the third is another tissue or ignored."""
    nested = {"whole": [1, 2, 3], "core": [1]}
    found = lesionseg.check(folder, card="nnunet", classes=nested, regions=True, workers=0)
    assert check_content(found, 0)["class_rows"] == [
        ["training", "whole", "2", "2", "3"],
        ["training", "core", "2", "2", "2"],
    ]
    apart = {"cyst": (2,), "core": (1,)}
    for rest in ({"organ": [3]}, {"ignore": [3]}):
        found = lesionseg.check(folder, card="nnunet", classes=apart, workers=0, **rest)
        assert check_content(found, 0)["class_rows"] == [
            ["training", "cyst", "1", "1", "1"],
            ["training", "core", "2", "2", "2"],
        ]
