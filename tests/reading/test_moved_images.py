"""Masks of images that were moved apart by one form of their headers and share the other."""

from __future__ import annotations

import numpy as np
import pytest
from test_other_grids import ONE, QFORM, SFORM, blobs, image, scan_files, with_forms

from lesionseg.reading.scans import load_scan
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_cases import score_cases

MOVED = QFORM.copy()
MOVED[1, 3] += 6  # a shift: every corner is 6 mm away
SAID = "by one form of its header and 6 mm away by the other (sform, qform)"


def notes_of_report(tmp_path, *qforms):
    """Of a report of two masks of the same voxels, the same sform and these qforms."""
    paths = [
        with_forms(tmp_path / f"{role}.nii.gz", blobs(), SFORM, qform)
        for role, qform in zip(("reference", "prediction"), qforms, strict=True)
    ]
    case = ReportCase("a", "a", paths[0], {"net": PredictionFiles(paths[1])})
    found = score_cases([case], ScoringOptions(draws=50), workers=1)
    assert found.cases["dice"].tolist() == [1.0]
    return [note for note in found.notes if SAID in note]


def test_a_report_says_that_the_images_of_two_masks_were_moved_apart(tmp_path):
    (note,) = notes_of_report(tmp_path, QFORM, MOVED)
    assert note.startswith("prediction of net for a: prediction of net lies on the scan's voxels")


@pytest.mark.parametrize("qform", [QFORM, SFORM])
def test_where_both_forms_agree_or_one_mask_has_a_single_form_nothing_is_said(tmp_path, qform):
    assert notes_of_report(tmp_path, QFORM, qform) == []


def test_a_mask_of_another_moved_image_is_told_in_training_too(tmp_path):
    scan = with_forms(tmp_path / "scan.nii.gz", image(), SFORM, QFORM)
    mask = with_forms(tmp_path / "mask.nii.gz", blobs(), SFORM, MOVED)
    loaded = load_scan(scan_files(tmp_path, mask, scan), ONE)
    np.testing.assert_array_equal(loaded.lesion_ids > 0, blobs() > 0)
    assert any(note.startswith("mask lies on") and SAID in note for note in loaded.notes)
