"""Masks of a report mean what they mean in training: 0 and 255, labels, DICOM SEG, notes."""

import sys

import nibabel as nib
import numpy as np
import pytest
from dicom_segs import write_seg
from dicom_slices import write_series
from report_cohort import AFFINE, lesions, save

from lesionseg.errors import UsageError
from lesionseg.io import read_volume
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions, match_folders
from lesionseg.reporting.scoring.score_cases import score_cases

MASK = lesions(1)  # nine boxes
REFUSED = (
    "reference has unknown labels 255; want 0, 1, or say which values are lesions with labels=[...]"
)
VOXELS = np.random.default_rng(0).integers(-900, 900, (6, 20, 24)).astype(np.int16)
UPWARD = [(10, 20, 30 + 2.5 * index) for index in range(6)]


def case_of(root, reference, prediction, affine=AFFINE):
    path = save(root / "reference" / "a.nii.gz", reference)
    files = PredictionFiles(save(root / "net" / "a.nii.gz", prediction, affine))
    return ReportCase("a", "a", path, {"net": files})


def scored(case, **options):
    return score_cases([case], ScoringOptions(draws=50, **options), workers=1)


def test_255_is_lesion_where_1_is_the_only_label(tmp_path):
    white = (255 * MASK).astype(np.uint8)
    for labels in (None, (1,)):
        for known in (None, (1,)):
            case = case_of(tmp_path, white, white)
            found = scored(case, labels=labels, known_labels=known)
            assert found.rejected == ()
            assert found.cases[["num_reference", "num_found", "dice"]].values.tolist() == [
                [9, 9, 1]
            ]


def test_a_255_among_other_values_is_refused_where_the_labels_are_known(tmp_path):
    mixed = MASK.copy()
    mixed[0, 0, 0] = 255
    found = scored(case_of(tmp_path, mixed, MASK), labels=(1,), known_labels=(1,))
    assert found.rejected == (("", "a", REFUSED),)
    with_other_tissue = scored(case_of(tmp_path, mixed, MASK), labels=(1,))
    assert with_other_tissue.rejected == ()
    assert with_other_tissue.cases["dice"].tolist() == [1.0]


def test_labels_choose_lesions_in_both_masks(tmp_path):
    classes = MASK.astype(np.uint8)
    classes[:20] *= 2  # lattice rows at 3 and 15 of 3, 15, 27
    alone = (classes == 2).astype(np.uint8)
    found = scored(case_of(tmp_path, classes, classes), labels=(2,))
    expected = scored(case_of(tmp_path / "alone", alone, alone))
    assert 0 < found.cases["num_reference"].item() < 9
    assert found.lesions.equals(expected.lesions)


def test_what_was_mended_while_reading_is_said(tmp_path):
    image = nib.Nifti1Image(MASK, AFFINE)
    moved = AFFINE.copy()
    moved[1, 3] += 3
    image.set_qform(moved, 1)
    image.set_sform(AFFINE, 1)
    case = case_of(tmp_path, MASK, MASK)
    nib.save(image, case.reference)
    (note,) = scored(case).notes
    assert note.startswith("reference of a: ")
    assert "sform and qform are up to 3 mm apart" in note


@pytest.fixture
def seg_cohort(tmp_path):
    """reference/a.dcm, a SEG drawn on images/a/*.dcm, and net/a.nii.gz on the same grid."""
    highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    series = write_series(tmp_path / "images" / "a", VOXELS, UPWARD)
    drawn = np.zeros(VOXELS.shape, np.uint8)
    drawn[1:3, 2:5, 3:6] = 1  # 18 voxels
    drawn[4, 10:12, 10:12] = 1  # 4 voxels
    (tmp_path / "reference").mkdir()
    write_seg(highdicom, series, drawn, tmp_path / "reference" / "a.dcm")
    guess = drawn.copy()
    guess[4] = 0
    save(tmp_path / "net" / "a.nii.gz", guess.T, read_volume(series).affine)
    return tmp_path


def by_volume(found):
    table = found.lesions.sort_values("volume_mm3")
    return list(zip(table["volume_mm3"].round(3), table["found"]))


def test_a_dicom_seg_is_a_reference_on_the_grid_of_its_scan(seg_cohort):
    folders = {"net": seg_cohort / "net"}
    (case,) = match_folders(seg_cohort / "reference", folders, images=seg_cohort / "images").cases
    assert case.case == "a"
    assert case.image == seg_cohort / "images" / "a"
    assert by_volume(scored(case)) == [(10.0, False), (45.0, True)]  # voxels of 2.5 mm3
    (bare,) = match_folders(seg_cohort / "reference", folders).cases
    assert bare.image is None
    assert by_volume(scored(bare)) == [(10.0, False), (45.0, True)]  # the prediction's grid


def test_a_dicom_seg_is_a_prediction_too(seg_cohort):
    case = match_folders(seg_cohort / "net", {"net": seg_cohort / "reference"}).cases[0]
    found = scored(case)
    assert found.cases[["num_reference", "num_predicted", "num_found"]].values.tolist() == [
        [1, 2, 1]
    ]


def test_a_seg_without_any_grid_is_refused_in_one_line(seg_cohort):
    folder = seg_cohort / "reference"
    (case,) = match_folders(folder, {"net": folder}).cases
    ((model, name, reason),) = scored(case).rejected
    assert (model, name) == ("", "a")
    assert "no grid of their own" in reason
    assert "images=DIR" in reason


def test_without_the_extra_a_seg_names_it(seg_cohort, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    (case,) = match_folders(seg_cohort / "reference", {"net": seg_cohort / "net"}).cases
    with pytest.raises(UsageError, match=r"pip install 'lesionseg\[dicom\]'"):
        scored(case)
