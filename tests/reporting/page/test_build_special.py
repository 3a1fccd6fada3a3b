"""Reports of cohorts that lack something: images, scores, lesions, a scan of one model."""

import shutil

import numpy as np
import pandas as pd
import pytest
from report_cohort import AFFINE, save

from lesionseg.reporting import ScoringOptions, match_folders, write_report

CHOICES = ScoringOptions(draws=200, atlas=2, viewer=2)


def test_masks_alone_without_images_make_a_page_too(cohort, tmp_path):
    for case in ("scan_00", "scan_03"):
        for kind in ("reference", "poor"):
            (tmp_path / kind).mkdir(exist_ok=True)
            shutil.copy(cohort / kind / f"{case}.nii.gz", tmp_path / kind)
    matches = match_folders(tmp_path / "reference", {"only": tmp_path / "poor"})
    written = write_report(matches.cases, tmp_path / "out", CHOICES, workers=1)
    assert written is not None
    page = written.page.read_text()
    assert "hold masks without scores" in page
    assert "fewer than 10 patients" in page
    assert "There is no figure at a fixed number of false positives" in page
    assert "95 % interval" not in written.headline[0]  # one patient has tiny lesions
    assert "95 % interval" in written.headline[1]  # Dice of the whole scan, of two
    assert "difference" not in written.headline[0]


def test_a_cohort_without_any_lesion(tmp_path):
    empty = np.zeros((10, 10, 10), np.uint8)
    false_positive = empty.copy()
    false_positive[4:6, 4:6, 4:6] = 1
    save(tmp_path / "ref" / "a.nii.gz", empty)
    save(tmp_path / "net" / "a.nii.gz", false_positive)
    save(tmp_path / "ref" / "b.nii.gz", empty)
    save(tmp_path / "net" / "b.nii.gz", empty)
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    written = write_report(matches.cases, tmp_path / "out", CHOICES, workers=1)
    assert written is not None
    assert written.headline[0] == (
        "On 2 patients without any reference lesion there were 0.5 false positives a scan."
    )


def test_probability_maps_rank_the_lesions_of_plain_masks(tmp_path):
    """Two lesions: one at .9 in the mask; one at .4 below it, which only FROC sees."""
    reference = np.zeros((20, 20, 12), np.uint8)
    reference[4:7, 4:7, 4:7] = reference[12:15, 12:15, 4:7] = 1
    probability = np.zeros(reference.shape, np.float32)
    probability[4:7, 4:7, 4:7] = 0.9
    probability[12:15, 12:15, 4:7] = 0.4
    save(tmp_path / "ref" / "a.nii.gz", reference)
    save(tmp_path / "net" / "a.nii.gz", (probability > 0.5).astype(np.uint8))
    save(tmp_path / "prob" / "a.nii.gz", probability)
    folders = {"net": tmp_path / "net"}
    matches = match_folders(tmp_path / "ref", folders, probabilities={"net": tmp_path / "prob"})
    written = write_report(matches.cases, tmp_path / "out", CHOICES, workers=1)
    assert written is not None
    lesions = pd.read_csv(tmp_path / "out" / "lesions.csv")
    assert lesions["score"].tolist()[0] == pytest.approx(0.9)
    assert lesions["found"].tolist() == [True, False]
    summary = written.summary.set_index(["metric", "bucket"])["value"]
    assert summary["froc_recall@1", "all"] == 1
    assert summary["ap_iou50", "all"] == 1


def test_oblique_grids_measure_in_the_world(tmp_path):
    """The same boxes on a turned grid of 0.5 x 0.5 x 3 mm."""
    turn = np.deg2rad(20)
    rotation = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    affine = AFFINE.copy()
    affine[:3, :3] = rotation @ np.diag([0.5, 0.5, 3.0])
    reference = np.zeros((20, 20, 10), np.uint8)
    reference[4:8, 4:8, 4] = 1
    save(tmp_path / "ref" / "a.nii.gz", reference, affine)
    save(tmp_path / "net" / "a.nii.gz", np.roll(reference, 1, axis=2), affine)
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    assert write_report(matches.cases, tmp_path / "out", CHOICES, workers=1) is not None
    row = pd.read_csv(tmp_path / "out" / "lesions.csv").iloc[0]
    assert row["volume_mm3"] == pytest.approx(12, rel=1e-5)
    centre = affine @ [5.5, 5.5, 4, 1]
    assert [row[f"centroid_{a}_mm"] for a in "ras"] == pytest.approx(list(centre[:3]), abs=1e-4)
    case = pd.read_csv(tmp_path / "out" / "cases.csv").iloc[0]
    assert case["hd95_mm"] == pytest.approx(3, rel=1e-5)


def test_averages_are_over_the_cases_that_all_models_have(cohort, tmp_path):
    """One model lacks a scan: lesions.csv has it of the other, no average has."""
    for name in ("scan_00", "scan_01", "scan_02"):
        for kind in ("reference", "good", "poor"):
            if (kind, name) != ("poor", "scan_02"):
                (tmp_path / kind).mkdir(exist_ok=True)
                shutil.copy(cohort / kind / f"{name}.nii.gz", tmp_path / kind)
    folders = {"good": tmp_path / "good", "poor": tmp_path / "poor"}
    matches = match_folders(tmp_path / "reference", folders)
    written = write_report(
        matches.cases, tmp_path / "out", ScoringOptions(draws=20, atlas=0, viewer=0), workers=1
    )
    assert written is not None
    assert set(written.summary["num_cases"]) == {2}
    lesions = pd.read_csv(tmp_path / "out" / "lesions.csv")
    assert set(lesions.loc[lesions["model"] == "good", "case"]) == {f"scan_0{i}" for i in range(3)}
    page = written.page.read_text()
    assert "All models are compared on the 2 of 3 cases that each was scored on." in page
    assert "poor lacks scan_02." in page
    assert "cannot be compared at the same number of false positives" in page
