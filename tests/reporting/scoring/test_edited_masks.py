"""Masks changed by hand after lesionseg wrote them: the mask is scored, not the ids beside it."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from report_cohort import SHAPE, save, write_scores

from lesionseg.reporting import ReportCase, ScoringOptions, prediction_files, write_report
from lesionseg.reporting.scoring.edited_masks import ids_of_edited_mask
from lesionseg.reporting.scoring.score_cases import score_cases

A, B, C = ((slice(x, x + 3),) * 3 for x in (2, 8, 14))


def mask_of(*places):
    mask = np.zeros(SHAPE, np.uint8)
    for place in places:
        mask[place] = 1
    return mask


def ids_of(**places):
    ids = np.zeros(SHAPE, np.uint16)
    for name, place in places.items():
        ids[place] = int(name[1:])
    return ids


WRITTEN = ids_of(i1=A, i2=B)


def test_a_mask_as_it_was_written_is_not_edited():
    assert ids_of_edited_mask(mask_of(A, B), WRITTEN, 26) is None
    assert ids_of_edited_mask(255 * mask_of(A, B), WRITTEN, 26) is None


@pytest.mark.parametrize(
    ("mask", "ids", "numbers"),
    [
        (mask_of(A), ids_of(i1=A), (2, 1, 0)),  # one lesion removed
        (mask_of(A, B, C), ids_of(i1=A, i2=B, i3=C), (2, 0, 1)),  # one drawn
        (mask_of(C), ids_of(i3=C), (2, 2, 1)),
        (mask_of(), ids_of(), (2, 2, 0)),
        (mask_of((slice(2, 6),) * 3, B), ids_of(i1=(slice(2, 6),) * 3, i2=B), (2, 0, 0)),  # grown
        (mask_of((slice(2, 4),) * 3, B), ids_of(i1=(slice(2, 4),) * 3, i2=B), (2, 0, 0)),  # shrunk
    ],
)
def test_ids_stay_where_they_still_are_lesion(mask, ids, numbers):
    edited = ids_of_edited_mask(mask, WRITTEN, 26)
    assert (edited.ids == ids).all()
    assert (edited.num_before, edited.num_gone, edited.num_new) == numbers


def test_new_lesions_get_ids_also_where_the_highest_is_taken():
    top = 2**31 - 1
    ids = np.where(WRITTEN == 1, top, np.int32(WRITTEN)).astype(np.int32)  # top at A, 2 at B
    cut = mask_of(A, B, C)
    cut[9] = 0  # B in two parts
    edited = ids_of_edited_mask(cut, ids, 26)
    assert set(np.unique(edited.ids[A])) == {top}
    assert set(np.unique(edited.ids[C])) == {1}
    assert {int(edited.ids[8, 8, 8]), int(edited.ids[10, 8, 8])} == {2, 3}
    assert (edited.num_before, edited.num_gone, edited.num_new) == (2, 0, 2)


@pytest.fixture
def folder(tmp_path):
    """Reference A, B and C; lesionseg found A, B and, wrongly, a lesion at the far end."""
    wrong = (slice(30, 33), slice(30, 33), slice(18, 21))
    save(tmp_path / "ref" / "a.nii.gz", mask_of(A, B, C))
    ids = ids_of(i1=A, i2=B, i3=wrong)
    save(tmp_path / "net" / "a.nii.gz", (ids > 0).astype(np.uint8))
    for kind in ("instances", "candidates"):
        save(tmp_path / "net" / kind / "a.nii.gz", ids)
    for kind in ("lesions", "candidates"):
        write_scores(tmp_path / "net" / kind / "a.csv", {1: 0.9, 2: 0.8, 3: 0.7})
    return tmp_path


def case_of(root):
    files = prediction_files(root / "net", root / "net" / "a.nii.gz")
    return ReportCase("a", "a", root / "ref" / "a.nii.gz", {"net": files})


QUICK = ScoringOptions(draws=50, viewer=1, atlas=1)


def test_the_edited_mask_is_scored_and_said(folder):
    before = score_cases([case_of(folder)], QUICK, workers=1)
    columns = ["num_found", "num_false_positive"]
    assert before.cases[columns].values.tolist() == [[2, 1]]
    assert set(before.candidates) == {"net"}
    assert before.notes == ()
    save(folder / "net" / "a.nii.gz", mask_of(A, B, C))  # its user mended both mistakes
    after = score_cases([case_of(folder)], QUICK, workers=1)
    assert after.cases[columns].values.tolist() == [[3, 0]]
    assert after.predictions["score"].fillna(-1).tolist() == [0.9, 0.8, -1]
    assert "changed after lesionseg wrote it" in after.notes[0]
    assert "of 3 lesion ids beside it 1 is gone; new lesions, without a score: 1" in after.notes[0]


def test_candidates_that_describe_the_mask_before_make_no_curve(folder):
    assert write_report([case_of(folder)], folder / "out", QUICK, workers=1) is not None
    assert (folder / "out" / "froc.csv").is_file()
    save(folder / "net" / "a.nii.gz", mask_of(A))
    write_report([case_of(folder)], folder / "out", QUICK, workers=1)
    assert not (folder / "out" / "froc.csv").exists()
    assert "net has no curve over scores: 1 of its masks was changed" in (
        (folder / "out" / "report.html").read_text()
    )
    assert pd.read_csv(folder / "out" / "cases.csv")["num_predicted"].tolist() == [1]


def test_without_lesion_ids_a_mask_beyond_its_candidates_was_changed(folder):
    (folder / "net" / "instances" / "a.nii.gz").unlink()
    assert set(score_cases([case_of(folder)], QUICK, workers=1).candidates) == {"net"}
    save(folder / "net" / "a.nii.gz", mask_of(A, B, C))
    scored = score_cases([case_of(folder)], QUICK, workers=1)
    assert scored.candidates == {}
    assert scored.notes[-1].startswith("net has no curve over scores: 1 of its masks")
    assert scored.cases["num_found"].tolist() == [3]


def test_a_lesion_that_was_cut_in_two_is_two():
    """Two blocks that a bar joined: without the bar, the mask is of two lesions."""
    ids = np.zeros((9, 5, 5), np.int32)
    ids[1:8, 1:4, 1:4] = 1
    mask = ids > 0
    mask[4] = False
    found = ids_of_edited_mask(mask, ids, 26)
    assert (found.num_before, found.num_gone, found.num_new) == (1, 0, 1)
    assert len(np.unique(found.ids[1:4, 1:4, 1:4])) == 1
    assert set(np.unique(found.ids)) == {0, 1, 2}


def test_a_lesion_written_in_two_pieces_stays_one():
    ids = np.zeros((9, 5, 5), np.int32)
    ids[1:3, 1:4, 1:4] = 1
    ids[6:8, 1:4, 1:4] = 1
    mask = ids > 0
    mask[1, 1, 1] = False
    found = ids_of_edited_mask(mask, ids, 26)
    assert (found.num_gone, found.num_new) == (0, 0)
    assert set(np.unique(found.ids)) == {0, 1}


def test_ids_may_be_large_numbers():
    """A table of all numbers up to them would take 16 GB."""
    written = ids_of(i1=A).astype(np.int32) * 2_000_000_000
    grown = mask_of((slice(2, 6),) * 3)
    tracemalloc.start()
    edited = ids_of_edited_mask(grown, written, 26)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (edited.ids == grown * np.int32(2_000_000_000)).all()
    assert peak < 100e6
