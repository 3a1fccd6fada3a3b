"""A case that takes too much memory, or ends its worker process, does not end the report."""

import json

import numpy as np
import pytest
from report_cohort import lesions, save

from lesionseg.reporting import (
    PredictionFiles,
    ReportCase,
    ScoringOptions,
    match_folders,
    write_report,
)
from lesionseg.reporting.pictures import draw
from lesionseg.reporting.scoring import score_cases
from lesionseg.storage import memory

QUICK = ScoringOptions(draws=50, viewer=1, atlas=1)
WHY = "it takes more memory than there is; check its spacing and size, or crop it"


@pytest.fixture
def cases(tmp_path):
    mask = lesions(1)
    found = []
    for name in ("big", "fine"):
        reference = save(tmp_path / "ref" / f"{name}.nii.gz", mask)
        prediction = save(tmp_path / "pred" / f"{name}.nii.gz", np.roll(mask, 1, axis=0))
        found.append(ReportCase(name, name, reference, {"net": PredictionFiles(prediction)}))
    return found


def too_large(function, case_of):
    def call(task, *args, **options):
        if case_of(task) == "big":
            raise MemoryError
        return function(task, *args, **options)

    return call


@pytest.mark.usefixtures("undrawn")
def test_one_that_cannot_be_scored_is_rejected(tmp_path, cases, monkeypatch):
    limited = too_large(score_cases.score_case, lambda case: case.case)
    monkeypatch.setattr(score_cases, "score_case", limited)
    report = write_report(cases, tmp_path / "out", QUICK, workers=1)
    assert report.rejected == (("", "big", WHY),)
    assert json.loads((tmp_path / "out/summary.json").read_text())["num_cases"] == 1


def test_one_that_cannot_be_drawn_is_noted(tmp_path, cases, monkeypatch):
    limited = too_large(draw.read_view, lambda case: case.case)
    monkeypatch.setattr(draw, "read_view", limited)
    report = write_report(cases, tmp_path / "out", QUICK, workers=1)
    assert report.rejected == ()
    assert report.notes == (f"no picture of case big: {WHY}",)
    assert json.loads((tmp_path / "out/summary.json").read_text())["notes"] == list(report.notes)
    assert report.notes[0] in (tmp_path / "out/report.html").read_text()


def test_one_that_would_take_too_much_memory_is_refused_before(tmp_path, monkeypatch):
    """Reading 38,400 voxels of a byte takes little; scoring them takes twelve times as much."""
    for name, side in (("big", slice(None)), ("fine", slice(0, 12))):
        mask = lesions(1)[side, side, side]
        save(tmp_path / "ref" / f"{name}.nii.gz", mask)
        save(tmp_path / "pred" / f"{name}.nii.gz", mask)
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "pred"})
    monkeypatch.setattr(memory, "free_memory", lambda: 400_000)
    scored = score_cases.score_cases(matches.cases, QUICK, workers=1)
    ((model, case, reason),) = scored.rejected
    assert (model, case) == ("", "big")
    assert reason.startswith("the reference, as it is scored, takes 0.0 GB of memory")
    assert scored.cases["case"].tolist() == ["fine"]
