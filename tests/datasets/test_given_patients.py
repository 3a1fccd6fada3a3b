"""The expression that a user gives for patients wins over what the layout says."""

from __future__ import annotations

import pytest
from layout_trees import BIDS_FILES, tree

from lesionseg.datasets.dataset import find_scans


def patients(root, expression):
    return {scan.case: scan.patient for scan in find_scans(None, root, patient=expression).scans}


def test_over_folders_that_a_pattern_takes_for_patients(tmp_path):
    names = [f"C{c}/P{n}/{kind}.nii" for c in "ab" for n in "12" for kind in ("flair", "lesion")]
    tree(tmp_path, *names)
    assert patients(tmp_path, "^C[ab]_P[12]") == {
        case: case for case in ("Ca_P1", "Ca_P2", "Cb_P1", "Cb_P2")
    }
    assert set(patients(tmp_path, "P[12]").values()) == {"P1", "P2"}


def test_over_the_patient_column_of_a_table(tmp_path):
    tree(tmp_path, "f.nii", "m.nii")
    rows = ("case,patient,flair,mask", "a_1,x,f.nii,m.nii", "a_2,y,f.nii,m.nii")
    (tmp_path / "scans.csv").write_text("\n".join(rows))
    assert patients(tmp_path, "^[a-z]+") == {"a_1": "a", "a_2": "a"}


@pytest.mark.parametrize(("expression", "first"), [(None, "sub-01"), ("0[12]", "01")])
def test_over_the_subjects_of_bids(tmp_path, expression, first):
    assert patients(tree(tmp_path, *BIDS_FILES), expression)["sub-01_ses-a"] == first
