"""Models with unequal sets of cases are compared on the cases that both have."""

import numpy as np
import pandas as pd
import pytest
from report_cohort import lesions, save, write_scores

from lesionseg.errors import NoInputError
from lesionseg.reporting import ScoringOptions, match_folders, write_report

QUICK = {"draws": 50, "viewer": 0, "atlas": 0}
NOTHING = np.zeros_like(lesions(0))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Of a, b, c and d, `half` finds all lesions in a and b, and none in c, which `some` lacks.

    Both miss d together; `some` finds all of a and b too.
    """
    root = tmp_path_factory.mktemp("unequal")
    for i, name in enumerate("abc"):
        mask = lesions(i)
        save(root / "ref" / f"{name}.nii.gz", mask)
        save(root / "half" / f"{name}.nii.gz", NOTHING if name == "c" else mask)
        if name != "c":
            save(root / "some" / f"{name}.nii.gz", mask)
    save(root / "ref" / "d.nii.gz", lesions(3))
    return root


def made(root, **options):
    scoring = ScoringOptions(**QUICK, **options)
    folders = {"half": root / "half", "some": root / "some"}
    out = root / f"out-{scoring.missing}"
    matches = match_folders(root / "ref", folders, missing=scoring.missing)
    return write_report(matches.cases, out, scoring, workers=1), out


def values(report, metric, average):
    table = report.summary.query(f"metric == '{metric}' and average == '{average}'")
    whole = table[(table["bucket"] == "all") & (table["minus"] == "")]
    return dict(zip(whole["model"], whole["value"])), set(whole["num_cases"])


def test_every_figure_is_of_the_common_cases(root):
    report, out = made(root)
    for metric, average in (("dice", "mean_over_cases"), ("recall", "pooled")):
        found, num_cases = values(report, metric, average)
        assert found == {"half": 1, "some": 1}  # over its own three cases, `half` has 2/3
        assert num_cases == {2}
    assert any("Dice of the whole scan was 1.00 against 1.00" in said for said in report.headline)
    assert pd.read_csv(out / "cases.csv").set_index(["model", "case"])["compared"].to_dict() == {
        ("half", "a"): True,
        ("some", "a"): True,
        ("half", "b"): True,
        ("some", "b"): True,
        ("half", "c"): False,
    }


def test_what_each_model_lacks_is_listed(root):
    report, out = made(root)
    assert report.missing == (("some", "c", "no prediction"),)
    table = pd.read_csv(out / "missing.csv")
    assert table.values.tolist() == [["some", "c", "no prediction"]]
    said = "All models are compared on the 2 of 3 cases that each was scored on."
    for text in (report.for_terminal, (out / "report.html").read_text().replace("\u00a0", " ")):
        assert said in text
        assert "some lacks c." in text


def test_a_missing_prediction_is_an_empty_mask_on_request(root):
    report, out = made(root, missing="empty")
    found, num_cases = values(report, "dice", "mean_over_cases")
    assert found == {"half": 0.5, "some": 0.5}  # 1, 1, 0 and 0
    assert num_cases == {4}
    assert report.missing[0] == ("half", "d", "no prediction; scored as an empty mask")
    assert "some is scored as an empty mask on c, d." in report.for_terminal
    assert pd.read_csv(out / "cases.csv")["compared"].all()


def test_a_rejected_prediction_is_lacking_too(root, tmp_path):
    folders = {"half": root / "half", "bad": tmp_path}
    save(tmp_path / "a.nii.gz", lesions(0))
    save(tmp_path / "b.nii.gz", lesions(1)[:-1])
    cases = match_folders(root / "ref", folders).cases
    report = write_report(cases, tmp_path / "out", ScoringOptions(**QUICK), workers=1)
    reasons = {(model, case): why for model, case, why in report.missing}
    assert reasons["bad", "b"].startswith("rejected: prediction of bad grid differs")
    assert values(report, "recall", "pooled") == ({"half": 1, "bad": 1}, {1})


def test_without_a_common_case_there_is_nothing_to_compare(tmp_path):
    """Each of two models has one of two masks on another grid."""
    for i, name in enumerate("ab"):
        save(tmp_path / "ref" / f"{name}.nii.gz", lesions(i))
        save(tmp_path / "one" / f"{name}.nii.gz", lesions(i)[: 40 - i])
        save(tmp_path / "two" / f"{name}.nii.gz", lesions(i)[: 39 + i])
    folders = {"one": tmp_path / "one", "two": tmp_path / "two"}
    cases = match_folders(tmp_path / "ref", folders).cases
    with pytest.raises(NoInputError, match=r"with every model: one lacks b\. two lacks a"):
        write_report(cases, tmp_path / "out", ScoringOptions(**QUICK), workers=1)
    assert len(pd.read_csv(tmp_path / "out" / "missing.csv")) == 2


def test_curves_count_a_missing_prediction_as_one_without_candidates(tmp_path):
    """Lesions of two scans; the candidates of one scan alone are there and find all of it."""
    for i, name in enumerate("ab"):
        save(tmp_path / "ref" / f"{name}.nii.gz", lesions(i))
    ids = save(tmp_path / "net" / "candidates" / "a.nii.gz", lesions(0))
    save(tmp_path / "net" / "a.nii.gz", lesions(0))
    write_scores(tmp_path / "net" / "candidates" / "a.csv", {1: 0.5})
    assert ids.is_file()
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"}, missing="empty")
    options = ScoringOptions(missing="empty", **QUICK, found_iou=0)
    report = write_report(matches.cases, tmp_path / "out", options, workers=1)
    rows = report.summary.query("metric == 'froc_recall@8' and bucket == 'all'")
    assert rows["num_cases"].tolist() == [2]
    assert rows["num_lesions"].tolist() == [18]
