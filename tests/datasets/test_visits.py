"""Which case ids are visits of one patient, by the names that labs give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.visits import with_visits_joined


def patients(*cases, **known):
    scans = [ScanFiles(case, known.get(case, case), "train", (Path("a"),), None) for case in cases]
    joined, words = with_visits_joined(scans)
    return {scan.case: scan.patient for scan in joined}, words


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("P14_T1", "P14_T3"),
        ("sub-03_ses-01", "sub-03_ses-02"),
        ("sub-03_ses-baseline", "sub-03_ses-month12"),
        ("patient7-tp0", "patient7-tp10"),
        ("A001_20190304", "A001_20201130"),
        ("A001_2019-03-04", "A001_2020-11-30"),
        ("MS12_BL", "MS12_FU2"),
        ("p3.v1", "p3.v2"),
        ("BraTS-GLI-00012-000", "BraTS-GLI-00012-001"),
        ("BraTS-00003-000", "BraTS-00003-002"),
    ],
)
def test_visits_are_one_patient(first, second):
    found, words = patients(first, second, "another_case")
    assert found[first] == found[second]
    assert found[first] not in (first, second, "another_case")
    assert found["another_case"] == "another_case"
    assert "2 scans are taken as visits of 1 patient" in words
    assert first in words
    assert second in words
    assert "data.patient" in words


@pytest.mark.parametrize(
    "cases",
    [
        ("case_001", "case_002"),
        ("phantom_train000", "phantom_train001"),
        ("BraTS-MET-00001-000", "BraTS-MET-00002-000"),
        ("sub01_T1", "sub02_T1"),
        ("scan_20190304", "scan_20190305"),  # all would be one patient
    ],
)
def test_other_names_stay_patients_of_their_own(cases):
    found, words = patients(*cases)
    assert found == {case: case for case in cases}
    assert words == ""


def test_patients_that_are_known_are_left_alone():
    known = {"P14_T1": "anna", "P14_T2": "berta"}
    found, words = patients("P14_T1", "P14_T2", "P15_T1", **known)
    assert found == known | {"P15_T1": "P15_T1"}
    assert words == ""


def test_a_centre_and_a_number_of_three_digits_are_no_visits():
    cases = ("001-001", "001-002", "002-001", "site-01-001", "site-01-002")
    assert patients(*cases) == ({case: case for case in cases}, "")
