"""The tables and the page of a report on several lesion classes."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from class_cohort import TWO, box, case_of, predict, reference_of_two, seven_cases
from report_cohort import SHAPE

from lesionseg.reporting import ScoringOptions, write_report
from lesionseg.reporting.pictures.slices import CLASS_COLOURS

MODELS = ("alpha", "beta")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("classes")
    cases = seven_cases(root, MODELS)
    options = ScoringOptions(draws=50, atlas=1, viewer=1)
    report = write_report(cases, root / "out", options, workers=1)
    assert report is not None
    return root / "out", report


def table(made, name) -> pd.DataFrame:
    return pd.read_csv(made[0] / f"{name}.csv", keep_default_na=False)


@pytest.mark.parametrize("name", ["summary", "froc", "cases", "recall_by_diameter", "bland_altman"])
def test_tables_have_each_class_and_all_together(made, name):
    assert list(dict.fromkeys(table(made, name)["class"])) == ["all classes", *TWO]


@pytest.mark.parametrize("name", ["lesions", "predictions", "candidates"])
def test_rows_of_single_things_have_the_class_they_are_of(made, name):
    assert set(table(made, name)["class"]) == set(TWO)


def test_all_classes_together_are_the_sum_of_each(made):
    cases = table(made, "cases").set_index(["class", "model", "case"]).sort_index()
    for key in ("num_reference", "num_found", "num_false_positive", "num_predicted"):
        parts = sum(cases.loc[name, key] for name in TWO)
        assert (parts == cases.loc["all classes", key]).all(), key
    lesions = table(made, "lesions")
    found = lesions[(lesions["kind"] == "reference") & (lesions["model"] == "alpha")]["found"]
    summary = table(made, "summary").set_index(
        ["class", "model", "minus", "metric", "bucket", "average"]
    )
    value = summary.loc[("all classes", "alpha", "", "recall", "all", "pooled"), "value"]
    assert float(value) == pytest.approx((found.astype(str) == "True").mean())


def test_the_primary_comparison_is_of_all_classes_and_those_of_each_are_adjusted(made):
    compared = table(made, "comparisons")
    primary = compared[compared["primary"].astype(str) == "True"]
    assert primary["class"].tolist() == ["all classes"]
    of_class = compared[compared["class"] != "all classes"]
    assert set(of_class["metric"]) == {"froc_recall@matched"}
    assert set(of_class["bucket"]) == {"small_sizes", "tiny", "small", "medium", "large", "all"}
    others = compared.drop(primary.index)
    p = pd.to_numeric(others["p_value"])
    holm = pd.to_numeric(others["p_holm"])
    least = p.idxmin()
    assert holm[least] == pytest.approx(min(1.0, p[least] * p.notna().sum()))


def test_no_test_is_made_by_class_at_own_thresholds(made):
    summary = table(made, "summary")
    own = (summary["class"] != "all classes") & (summary["metric"] != "froc_recall@matched")
    assert (summary.loc[own & (summary["minus"] != ""), "p_value"] == "").all()


def test_the_confusion_counts_every_lesion_once(made):
    confusion, lesions = table(made, "confusion"), table(made, "lesions")
    reference = lesions[lesions["kind"] == "reference"]
    for model in MODELS:
        for name in TWO:
            row = confusion[(confusion["model"] == model) & (confusion["reference_class"] == name)]
            number = ((reference["model"] == model) & (reference["class"] == name)).sum()
            assert row["num_lesions"].sum() == number
            assert row["share"].astype(float).sum() == pytest.approx(1)
            assert row["predicted_class"].tolist() == ["core", "oedema", "missed"]
    taken = confusion[
        (confusion["reference_class"] == "core") & (confusion["predicted_class"] == "oedema")
    ]
    assert (taken["num_lesions"] > 0).all()
    none = confusion[confusion["reference_class"] == "none"]
    assert none["predicted_class"].tolist() == ["core", "oedema"] * 2


def test_the_page_has_a_section_a_panel_a_class_and_legends(made):
    text = (made[0] / "report.html").read_text()
    assert '<a href="#classes">By class</a>' in text
    assert re.findall(r'class="panel" id="(class-\d)" data-name="(\w+)"', text) == [
        ("class-1", "core"),
        ("class-2", "oedema"),
    ]
    assert "All classes together" in text
    assert text.count("found as its own class") >= 2
    assert "core (49 lesions in 7 patients): alpha found" in text
    assert re.search(r"<figcaption>(core|oedema): Lesion \d+, missed by", text)
    assert re.search(r'<span class="key c0"></span>core, <span class="key c1"></span>oedema', text)
    for name in ("class_found", "class_dice", "class_froc", "class_recall"):
        assert (made[0] / "figures" / f"{name}.png").is_file()


def test_every_panel_shows_without_script_and_in_print(made):
    """Only the script marks panels as away, and print shows those again."""
    text = (made[0] / "report.html").read_text()
    assert "panel away" not in text
    style = text[text.index("<style>") : text.index("</style>")]
    assert ".tabs .panel.away { display: block; }" in style[style.index("@media print") :]


def test_keys_of_classes_have_the_colours_of_the_pictures(made):
    text = (made[0] / "report.html").read_text()
    for number, colour in enumerate(CLASS_COLOURS):
        assert f".c{number} {{ background: {colour}; }}" in text


def test_the_summary_names_classes_and_matched_numbers(made):
    content = json.loads((made[0] / "summary.json").read_text())
    assert [one["name"] for one in content["lesion_classes"]["classes"]] == list(TWO)
    assert set(content["matched_by_class"]) == {"all classes", *TWO}
    assert any(line.startswith("oedema (49 lesions in 7 patients)") for line in content["headline"])
    assert {row["class"] for row in content["figures"]} == {"all classes", *TWO}


def test_the_terminal_has_a_table_by_class(made):
    assert "Figures are of all 2 lesion classes together where no class" in made[1].for_terminal
    assert "by lesion class, all sizes" in made[1].text
    lines = [line.split() for line in made[1].text.splitlines()]
    assert ["core", "alpha", "49", "7"] in [line[:4] for line in lines]


def test_one_class_has_no_section_of_classes(tmp_path: Path):
    mask = np.zeros(SHAPE, np.uint8)
    box(mask, (4, 4, 4), (2, 2, 2), 2)
    case = case_of(tmp_path, mask, {"net": predict(tmp_path / "net", "a", mask)})
    options = ScoringOptions(draws=50, atlas=1, viewer=0, labels={"tumour": (2,)})
    report = write_report([case], tmp_path / "out", options, workers=1)
    assert report is not None
    text = report.page.read_text()
    for word in ('id="classes"', "class-1", "All classes", "Ignored voxels", "on ignored"):
        assert word not in text
    assert not (tmp_path / "out" / "confusion.csv").exists()
    assert set(pd.read_csv(tmp_path / "out" / "summary.csv")["class"]) == {"tumour"}


def test_ignored_values_are_defined_and_counted_on_the_page(tmp_path: Path):
    mask = np.zeros(SHAPE, np.uint8)
    box(mask, (4, 4, 4), (2, 2, 2), 1)
    box(mask, (20, 20, 10), (2, 2, 2), 4)
    predicted_mask = (mask > 0).astype(np.uint8)
    case = case_of(tmp_path, mask, {"net": predict(tmp_path / "net", "a", predicted_mask)})
    options = ScoringOptions(draws=50, atlas=1, viewer=0, ignore=(4,))
    report = write_report([case], tmp_path / "out", options, workers=1)
    assert report is not None
    text = report.page.read_text()
    assert "Voxels that the reference marks with 4 were not judged" in text
    assert "On ignored" in text
    cases = pd.read_csv(tmp_path / "out" / "cases.csv")
    assert cases[["num_reference", "num_false_positive", "num_on_ignored"]].values.tolist() == [
        [1, 0, 1]
    ]


def test_of_regions_the_share_of_voxels_counts_none_twice(tmp_path: Path):
    """Eight voxels of core lie inside the whole."""
    reference = np.where(reference_of_two() * (np.arange(SHAPE[0])[:, None, None] < 15), 2, 0)
    box(reference, (4, 4, 4), (2, 2, 2), 1)
    reference = reference.astype(np.uint8)
    num = int((reference > 0).sum())
    case = case_of(tmp_path, reference, {"net": predict(tmp_path / "net", "a", reference)})
    labels = {"whole": (1, 2), "core": (1,)}
    options = ScoringOptions(draws=50, atlas=1, viewer=0, labels=labels, regions=True)
    report = write_report([case], tmp_path / "out", options, workers=1)
    assert report is not None
    table = pd.read_csv(tmp_path / "out" / "imbalance.csv")
    table = table[table["bucket"] != "background"]
    assert table.groupby("class")["num_voxels"].sum().to_dict() == {
        "all classes": num,
        "whole": num,
        "core": 8,
    }
    assert "so that no voxel counts twice" in report.page.read_text()
    assert not (tmp_path / "out" / "confusion.csv").exists()
