"""What the report does with files that are wrong, and with names that mean harm."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from odd_files import KINDS, make_odd_file
from report_cohort import AFFINE, lesions, save, write_scores

from lesionseg.errors import CaseError, UsageError
from lesionseg.reporting import (
    PageInfo,
    PredictionFiles,
    ReportCase,
    ScoringOptions,
    match_folders,
    write_report,
)
from lesionseg.reporting.plots.imbalance import read_loss_shares
from lesionseg.reporting.scoring.lesion_tables import read_scores
from lesionseg.reporting.scoring.masks import read_reference
from lesionseg.reporting.scoring.score_cases import score_cases
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.csv_table import write_frame

MASK = lesions(1)
QUICK = ScoringOptions(draws=50, viewer=1, atlas=1)


def one_case(root, prediction, affine=AFFINE, name="a"):
    reference = save(root / "ref" / f"{name}.nii.gz", MASK)
    path = save(root / "pred" / f"{name}.nii.gz", prediction, affine)
    return ReportCase(name, name, reference, {"net": PredictionFiles(path)})


def read_mask(path, case, role, threshold=None, labels=None):
    assert role == "mask"
    options = ScoringOptions(threshold=threshold, labels=labels)
    return read_reference(ReportCase(case, case, path, {}), options)


def good_case(root, name="good"):
    return one_case(root, np.roll(MASK, 1, axis=0), name=name)


def score(*cases):
    return score_cases(cases, QUICK, workers=1)


def report_on(cases, out, options=QUICK, **others):
    return write_report(cases, out, options, workers=1, **others)


@pytest.mark.usefixtures("undrawn")
def test_another_grid_is_refused_with_both_affines_and_the_distance(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 7
    report = report_on([one_case(tmp_path, MASK, moved), good_case(tmp_path)], tmp_path / "out")
    ((model, case, reason),) = report.rejected
    assert (model, case) == ("net", "a")
    assert "-1 0 0 20" in reason
    assert "-1 0 0 27" in reason
    assert "7 mm" in reason
    assert "fix_grid=true" in reason
    assert pd.read_csv(tmp_path / "out" / "rejected.csv")["case"].tolist() == ["a"]
    assert reason.split(";")[0] in (tmp_path / "out" / "report.html").read_text()


def test_fix_grid_resamples_and_says_so(tmp_path):
    """The same mask on a flipped grid, and cut to a part of it."""
    flipped = AFFINE.copy()
    flipped[0, 0], flipped[0, 3] = 1, AFFINE[0, 3] - 39
    options = ScoringOptions(fix_grid=True, draws=50, viewer=0, atlas=0)
    case = one_case(tmp_path, np.ascontiguousarray(MASK[::-1]), flipped)
    report = report_on([case], tmp_path / "out", options)
    assert report.rejected == ()
    assert pd.read_csv(tmp_path / "out" / "cases.csv")["dice"].tolist() == [1.0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "was resampled to the reference" in page


def test_all_rejected_writes_no_page(tmp_path):
    out = tmp_path / "out"
    assert report_on([one_case(tmp_path, MASK[:-1])], out) is None
    assert {p.name for p in out.iterdir()} == {"rejected.csv", "report_files.json"}


def test_a_damaged_file_is_rejected_and_the_others_go_on(tmp_path):
    bad = one_case(tmp_path, MASK, name="bad")
    bad.predictions["net"].mask.write_bytes(b"not a volume")
    scored = score(bad, good_case(tmp_path))
    assert [case for _, case, _ in scored.rejected] == ["bad"]
    assert set(scored.cases["case"]) == {"good"}


def test_floats_near_integers_are_rounded_and_others_refused(tmp_path):
    near = save(tmp_path / "near.nii.gz", (MASK + 5e-4).astype(np.float32))
    assert (read_mask(near, "a", "mask").array == MASK).all()
    soft = save(tmp_path / "soft.nii.gz", (MASK * 0.6).astype(np.float32))
    with pytest.raises(CaseError, match=r"0\.4 away from integers.*threshold=0\.5"):
        read_mask(soft, "a", "mask")
    assert (read_mask(soft, "a", "mask", 0.5).array == MASK).all()
    assert read_mask(soft, "a", "mask", 0.7).array.sum() == 0
    holes = save(tmp_path / "nan.nii.gz", np.where(MASK, np.nan, 0).astype(np.float32))
    with pytest.raises(CaseError, match="not finite"):
        read_mask(holes, "a", "mask", 0.5)
    below = save(tmp_path / "below.nii.gz", -MASK.astype(np.int16))
    with pytest.raises(CaseError, match="from -1 to 0"):
        read_mask(below, "a", "mask")


def test_labels_choose_what_is_lesion(tmp_path):
    classes = MASK.astype(np.uint8)
    classes[:20] *= 2
    path = save(tmp_path / "classes.nii.gz", classes)
    assert (read_mask(path, "a", "mask", labels=(2,)).array == (classes == 2)).all()


def test_classes_taken_for_lesion_ids_are_pointed_out(tmp_path):
    classes = MASK.astype(np.uint8)
    classes[:20] *= 2
    case = one_case(tmp_path, classes)
    (note,) = score(case).notes
    assert "has the values 1, 2 in 9 pieces" in note


def test_a_candidate_without_a_score_rejects_the_case(tmp_path):
    case = one_case(tmp_path, MASK)
    ids = save(tmp_path / "candidates" / "a.nii.gz", (MASK * 3).astype(np.uint8))
    write_scores(tmp_path / "candidates" / "a.csv", {1: 0.5})
    files = PredictionFiles(
        case.predictions["net"].mask,
        candidates=ids,
        candidate_table=tmp_path / "candidates" / "a.csv",
    )
    broken = ReportCase("a", "a", case.reference, {"net": files})
    scored = score(broken, good_case(tmp_path))
    assert "id 3 has no score" in scored.rejected[0][2]


HOSTILE = "=HYPERLINK(<script>alert(1)</script>)&amp;'\""


def test_hostile_names_do_nothing_in_page_or_tables(tmp_path):
    case = one_case(tmp_path, np.roll(MASK, 1, axis=0))
    named = ReportCase(HOSTILE, HOSTILE, case.reference, {HOSTILE: case.predictions["net"]})
    report = report_on(
        [named], tmp_path / "out", page_info=PageInfo(title=HOSTILE, unmatched=[HOSTILE])
    )
    page = report.page.read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert len(re.findall("<script", page)) == 2  # the viewer's data, and the one script
    data = re.search(r'id="viewer-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data[1])["cases"][0]["case"] == HOSTILE
    for table in (tmp_path / "out").glob("*.csv"):
        cells = pd.read_csv(table, dtype=str).fillna("").to_numpy().ravel()
        assert len(cells) == 0 or not any(str(c).startswith(("=", "@")) for c in cells), table
    assert all(re.fullmatch(r"[a-z0-9.-]+", p.name) for p in (tmp_path / "out").rglob("*.png"))


def test_a_model_of_any_name_is_shown_letter_by_letter(tmp_path):
    """Matplotlib would take dollars for a formula, and hide what begins with an underscore."""
    odd = r"_U-Net $\foo$ 2.5D ä"
    case = good_case(tmp_path)
    named = ReportCase("a", "a", case.reference, {odd: case.predictions["net"]})
    page = report_on([named], tmp_path / "out").page.read_text()
    plots = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", page)
    drawn = [base64.b64decode(plot).decode() for plot in plots]
    assert sum(f"{odd}</text>" in plot for plot in drawn) == 4  # two plots, each twice


def test_cells_that_a_spreadsheet_would_run_are_quoted(tmp_path):
    write_frame(
        tmp_path / "t.csv",
        pd.DataFrame({"a": ["=1+1", "+1", "-x", "@y", "\tz", "ok\n=2"], "b": -1.5}),
    )
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["a"].tolist() == ["'=1+1", "'+1", "'-x", "'@y", "' z", "ok =2"]
    assert (table["b"] == -1.5).all()


def test_control_characters_in_file_names_reach_no_terminal(tmp_path):
    save(tmp_path / "ref" / "a\x1b[2J.nii.gz", MASK)
    save(tmp_path / "pred" / "a\x1b[2J.nii.gz", MASK)
    (case,) = match_folders(tmp_path / "ref", {"net": tmp_path / "pred"}).cases
    assert case.case == "a?[2J"


def test_loss_shares_that_are_none_are_refused(tmp_path):
    good = {
        "model": ["u"],
        "term": ["ce"],
        "class": ["lesion"],
        "bucket": ["tiny"],
        "share_loss": [0.1],
        "share_gradient": [0.2],
    }
    case = good_case(tmp_path)
    for change, message in (
        ({"bucket": ["huge"]}, "huge"),
        ({"share_loss": [1.5]}, "between 0 and 1"),
        ({"share_gradient": ["a"]}, "between 0 and 1"),
    ):
        with pytest.raises(UsageError, match=message):
            report_on(
                [case],
                tmp_path / "out",
                page_info=PageInfo(loss_shares=pd.DataFrame(good | change)),
            )
    page_info = PageInfo(loss_shares=pd.DataFrame(good).drop(columns="share_loss"))
    with pytest.raises(UsageError, match="column share_loss"):
        report_on([case], tmp_path / "out", page_info=page_info)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_shares_in_no_regular_file_are_not_waited_for(tmp_path, kind):
    make_odd_file(kind, tmp_path / "shares.csv")
    with pytest.raises(UsageError, match="cannot be read as CSV"):
        read_loss_shares(tmp_path / "shares.csv", SizeBuckets.from_edges((3, 5, 10)))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", ["dangling link", "pipe", "socket", "device"])
@pytest.mark.parametrize(("side", "model"), [("ref", ""), ("pred", "net")])
def test_a_mask_that_is_no_file_is_rejected_by_name(tmp_path, kind, side, model):
    good_case(tmp_path, "a")
    good_case(tmp_path)
    (tmp_path / side / "a.nii.gz").unlink()
    make_odd_file(kind, tmp_path / side / "a.nii.gz")
    cases = match_folders(tmp_path / "ref", {"net": tmp_path / "pred"}).cases
    report = report_on(cases, tmp_path / "out")
    ((named, case, reason),) = report.rejected
    assert (named, case) == (model, "a")
    assert "a.nii.gz" in reason


@pytest.mark.parametrize("score", ["nan", "-inf", "inf", "", "high", "1e999"])
def test_scores_that_are_no_numbers_are_one_line(tmp_path, score):
    path = tmp_path / "candidates.csv"
    path.write_text(f"id,score\n1,0.5\n2,{score}\n")
    with pytest.raises(CaseError, match=r"case a: candidates\.csv: [^\n]*want") as caught:
        read_scores(path, "a")
    assert "\n" not in str(caught.value)
    path.write_text("id,score\n1,0.5\n2,1\n")
    assert read_scores(path, "a") == {1: 0.5, 2: 1.0}


@pytest.mark.parametrize(
    "text", ["id,score\n1," + "5" * 200_000, "id,sc\0ore\n1,2\n", "id\n1\n", "id,score\n1\n"]
)
def test_a_table_of_scores_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "candidates.csv").write_text(text)
    with pytest.raises(CaseError, match=r"candidates\.csv: want numeric columns id and score"):
        read_scores(tmp_path / "candidates.csv", "a")
