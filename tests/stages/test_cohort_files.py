"""What a prediction refuses before it begins, for what it writes of all scans."""

import sys

import pytest
from exported_predictions import MODEL, a_prediction

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import UsageError
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import export_record
from lesionseg.io import read_volume, write_mask
from lesionseg.stages.cohort_files import withdraw_cohort_files
from lesionseg.structures import Volume


def a_scan(tmp_path, case):
    path = tmp_path / f"{case}.nii.gz"
    found = a_prediction((5, 5, 5), ())
    write_mask(path, found.mask, Volume(found.mask, found.grid.affine))
    return ScanFiles(case, case, "test", (path,), None, ())


def test_a_scan_that_would_take_the_bids_name_of_an_earlier_one_is_refused(tmp_path):
    out, scan = tmp_path / "out", a_scan(tmp_path, "a_1")
    like = read_volume(scan.images[0])
    found = a_prediction((5, 5, 5), ())
    record = export_record("a_1", MODEL, scan.images)
    export_case(out, "a_1", found, like, record)
    withdraw_cohort_files(out, [a_scan(tmp_path, "a1")], ["bids"])
    export_case(out, "a_1", found, like, record, extras=("bids",))
    withdraw_cohort_files(out, [scan], ["bids"])
    with pytest.raises(UsageError, match=r"cases a1 and a_1 would both be sub-a1 in BIDS"):
        withdraw_cohort_files(out, [a_scan(tmp_path, "a1")], ["bids"])
    withdraw_cohort_files(out, [a_scan(tmp_path, "a1")], [])


def test_a_scan_named_as_the_list_of_files_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"case Predict_files has the name of predict_files\.json"):
        withdraw_cohort_files(tmp_path, [a_scan(tmp_path, "Predict_files")], [])


def test_without_the_extra_nothing_is_predicted_for_dicom_seg(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(UsageError, match=r"pip install 'lesionseg\[dicom\]'"):
        withdraw_cohort_files(tmp_path, [], ["dicom_seg"])
