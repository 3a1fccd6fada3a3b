"""Folders of centres above those of patients, and folders of patients above those of visits."""

from __future__ import annotations

import pytest
from layout_trees import tree

from lesionseg.datasets.dataset import find_scans


def found(tmp_path, folders):
    names = [f"{folder}/{kind}.nii" for folder in folders for kind in ("flair", "lesion")]
    dataset = find_scans(None, tree(tmp_path, *names))
    assert len(dataset.scans) == len(folders)
    return dataset


def ids(prefix, numbers):
    return [f"{prefix}{n:03d}" for n in numbers]


@pytest.mark.parametrize(
    "folders",
    [
        [f"{c}/{p}" for c, a in (("UKE", 0), ("Basel", 50)) for p in ids("MS", range(a, a + 10))],
        [f"Site1/{p}" for p in ids("P", range(3))] + [f"Site2/{p}" for p in ids("P", range(3, 5))],
        [f"site{c}/P{n:02d}" for c, a in (("A", 1), ("B", 5)) for n in range(a, a + 4)],
        [f"Center_0{c}/{p}" for c in (1, 2) for p in ids(f"A{c}_", range(4))],
        [f"{c}/Patient_{n}" for c, numbers in (("A", (1, 2)), ("B", (3,))) for n in numbers],
    ],
    ids=["few names with many folders", "site", "site of a letter", "center", "patients by name"],
)
def test_a_centre_is_no_patient(tmp_path, folders):
    dataset = found(tmp_path, folders)
    assert {scan.patient for scan in dataset.scans} == {f.rpartition("/")[2] for f in folders}
    assert f"; {len(folders)} patients" in dataset.found
    assert {scan.case for scan in dataset.scans} == {f.replace("/", "_") for f in folders}


@pytest.mark.parametrize(
    "folders",
    [
        [f"{p}/2019{n:02d}15" for p in ("Anna", "Bert") for n in range(1, 12)],
        [f"P{p:02d}/E{p}{n:03d}" for p in (1, 2) for n in range(11)],  # numbers of examinations
        [f"{p}/v{n}" for p, a in (("Anna", 1), ("Bert", 20)) for n in range(a, a + 11)],
        [f"{s}/E{s[-1]}{n:03d}" for s in ("subject1", "subject2") for n in range(11)],
        [f"{s}/{s}{v}" for s in ("case1", "case2") for v in "abc"],
        [f"{c}/MS{n:03d}" for c in ("x", "y") for n in range(11)],  # the same ones in each
        [f"{c}/{c}{n:03d}" for c in ("Kim", "Lee") for n in range(9)],  # not many
    ],
    ids=["dates", "numbered", "visits", "subjects", "cases", "recurring", "few"],
)
def test_a_patient_with_many_visits_is_one_patient(tmp_path, folders):
    dataset = found(tmp_path, folders)
    assert {scan.patient for scan in dataset.scans} == {f.partition("/")[0] for f in folders}
    assert "; 2 patients" in dataset.found


def patients_of(dataset):
    return {scan.case: scan.patient for scan in dataset.scans}


@pytest.mark.parametrize("centres", [("siteA", "siteB"), ("Center 1", "Center 2")])
@pytest.mark.parametrize("visits", [("",), ("/v1", "/v2")])
def test_patients_of_one_number_in_two_centres_are_two(tmp_path, centres, visits):
    folders = [f"{c}/Patient_0{n}{v}" for c in centres for n in (1, 2) for v in visits]
    folders += [f"{centres[1]}/Patient_03{v}" for v in visits]
    dataset = found(tmp_path, folders)
    wanted = {"Patient_03"} | {f"{c}_Patient_0{n}" for c in centres for n in (1, 2)}
    assert set(patients_of(dataset).values()) == wanted
    for case, patient in patients_of(dataset).items():  # visits of one stay one's
        assert case.startswith(patient) or patient == "Patient_03"
    assert "; 5 patients" in dataset.found
    assert f"in several of the folders {', '.join(centres)} (Patient_01, Patient_02): each" in (
        dataset.found
    )
    assert "if they are one, set data.patient" in dataset.found


@pytest.mark.parametrize(
    "folders",
    [
        [f"scanner{s}/Patient_0{n}" for s in (1, 2) for n in (1, 2)],  # one head in two scanners
        [f"site{s}/{name}" for s in (1, 2) for name in ("Patient_x", "Bert", "Anna")],
        [f"{s}/Patient_0{n}" for s in ("wave1", "wave2") for n in (1, 2)],
    ],
    ids=["scanners", "names", "waves"],
)
def test_in_doubt_one_name_is_one_patient_and_it_is_said(tmp_path, folders):
    dataset = found(tmp_path, folders)
    names = {folder.rpartition("/")[2] for folder in folders}
    assert set(patients_of(dataset).values()) == names
    assert "each name is taken for one patient; if they are several, set data" in dataset.found


def test_an_expression_for_patients_wins_over_centres(tmp_path):
    folders = [f"site{s}/Patient_0{n}" for s in "AB" for n in (1, 2)]
    found(tmp_path, folders)
    dataset = find_scans(None, tmp_path, patient=r"Patient_\d+")
    assert set(patients_of(dataset).values()) == {"Patient_01", "Patient_02"}
    assert "several of the folders" not in dataset.found
