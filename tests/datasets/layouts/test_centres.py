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
        [f"Center_0{c}/{p}" for c in (1, 2) for p in ids(f"A{c}_", range(4))],
        [f"{c}/Patient_{n}" for c, numbers in (("A", (1, 2)), ("B", (3,))) for n in numbers],
    ],
    ids=["few names with many folders", "site", "center", "patients by name"],
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
