"""From folders of masks to a report, end to end."""

import json
import re

import cc3d
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from report_cohort import save, write_scores

from lesionseg.reporting import PageInfo, ScoringOptions, match_folders, write_report

CHOICES = ScoringOptions(draws=200, atlas=2, viewer=2)
SHARES = pd.DataFrame(
    {
        "model": "poor",
        "term": "cross-entropy",
        "class": ["lesion", "lesion", "lesion", "background"],
        "bucket": ["tiny", "small", "medium", "background"],
        "share_loss": [0.1, 0.2, 0.1, 0.6],
        "share_gradient": [0.02, 0.08, 0.2, 0.7],
    }
)
PRICES = pd.DataFrame(
    {
        "model": "good",
        "term": "ce",
        "case": "a",
        "lesion": range(6),
        "class": "lesion",
        "diameter_mm": [1.0, 2, 3, 5, 8, 10],
        "price": [0.01, 0.04, 0.09, 0.25, 0.64, 1.0],
    }
)
PLOTS = {
    f"{name}.png"
    for name in ("buckets", "dice", "imbalance", "price", "recall", "froc", "calibration")
}


def add_scores(folder, seed):
    """Make a folder of masks one that lesionseg could have written: ids, scores, candidates."""
    generator = np.random.default_rng(seed)
    for path in sorted(folder.glob("*.nii.gz")):
        case = path.name.removesuffix(".nii.gz")
        mask = np.asarray(nib.load(path).dataobj)
        ids = cc3d.connected_components(mask, connectivity=26).astype(np.uint16)
        number = int(ids.max())
        scores = {i: float(generator.integers(50, 100)) / 100 for i in range(1, number + 1)}
        save(folder / "instances" / path.name, ids)
        write_scores(folder / "lesions" / f"{case}.csv", scores)
        candidates = ids.copy()
        candidates[38:40, :2, :2] = number + 1
        save(folder / "candidates" / path.name, candidates)
        write_scores(folder / "candidates" / f"{case}.csv", scores | {number + 1: 0.2})


@pytest.fixture(scope="module")
def report(cohort):
    add_scores(cohort / "good", 0)
    add_scores(cohort / "poor", 1)
    matches = match_folders(
        cohort / "reference",
        {"good": cohort / "good", "poor": cohort / "poor"},
        images=cohort / "image",
    )
    page_info = PageInfo(
        loss_shares=SHARES,
        prices=PRICES,
        training={"good": {"loss": "a", "steps": "9"}, "poor": {"loss": "b", "steps": "9"}},
        data_card={"licence": "CC0"},
    )
    written = write_report(matches.cases, cohort / "out", CHOICES, workers=1, page_info=page_info)
    assert written is not None
    return cohort / "out", written


def test_everything_is_written(report):
    out, written = report
    tables = {p.stem: len(pd.read_csv(p)) for p in out.glob("*.csv")}
    assert tables.pop("rejected") == 0
    assert set(tables) == {
        *("lesions", "predictions", "cases", "summary", "comparisons", "bland_altman", "imbalance"),
        *("froc", "calibration", "candidates", "recall_by_diameter"),
        *("loss_shares", "missing_prices"),
    }
    assert min(tables.values()) > 0
    figures = {p.name for p in (out / "figures").iterdir()}
    assert figures >= PLOTS
    assert {"overlay-1-best.png", "overlay-2-worst.png"} <= figures
    assert len(list((out / "figures" / "atlas").iterdir())) >= 4
    content = json.loads((out / "summary.json").read_text())
    assert content["num_patients"] == 7
    assert content["headline"] == list(written.headline)
    assert not list(out.rglob(".partial*"))
    assert written.rejected == ()


def test_the_headline_can_be_recomputed_from_lesions_csv(report):
    out, written = report
    lesions = pd.read_csv(out / "lesions.csv")
    reference = lesions[(lesions["kind"] == "reference")]
    tiny = reference[reference["volume_mm3"] < np.pi / 6 * 27]
    found = 100 * tiny.groupby("model")["found"].mean()
    false_positives = lesions[lesions["kind"] == "false_positive"].groupby("model").size() / 7
    region = tiny.groupby("model")["region_dice"].mean()
    number = (reference["model"] == "good").sum()
    assert number > 20
    first = (
        f"At their own thresholds, on 7 patients with {number} lesions, good found "
        f"{found['good']:.0f} % of lesions under 3 mm, poor {found['poor']:.0f} % (difference "
        f"{found['good'] - found['poor']:+.0f} points"
    )
    assert written.headline[0].startswith("At ")
    assert " false positives a scan, good found " in written.headline[0]
    assert written.headline[1].startswith(first)
    good, poor = false_positives.reindex(["good", "poor"], fill_value=0.0)
    assert written.headline[1].endswith(f"at {good:.1f} against {poor:.1f} false positives a scan.")
    second = (
        f"Region Dice of these small lesions was {region['good']:.2f} against {region['poor']:.2f}"
    )
    assert written.headline[2].startswith(second)
    page = (out / "report.html").read_text().replace("\u00a0", " ")
    assert all(sentence in page for sentence in written.headline)


def test_every_cell_of_the_size_table_is_a_row_of_summary_csv(report):
    out, _ = report
    summary = pd.read_csv(out / "summary.csv")
    page = (out / "report.html").read_text()
    table = page.split('<section id="sizes">')[1].split("</table>")[0]
    interval = r"(?:<small>(?:([\d.]+) to ([\d.]+))? ?\u2020?</small>)?"  # none without a spread
    shown = re.findall(rf"<td>([\d.]+){interval}</td>", table)
    rows = summary[(summary["average"] == "pooled") & summary["minus"].isna()]
    for scale, digits, metrics in (
        (100, 0, ("recall", "precision")),
        (1, 2, ("region_dice", "lesion_dice")),
        (1, 1, ("fp_per_scan",)),
    ):
        for metric in metrics:
            mine = rows[(rows["metric"] == metric) & rows["value"].notna()]
            assert len(mine) >= 6
            for _, row in mine.iterrows():
                numbers = [scale * row[k] for k in ("value", "low", "high")]
                cell = tuple("" if np.isnan(n) else f"{n:.{digits}f}" for n in numbers)
                assert cell in shown, (metric, cell)


def test_the_page_loads_nothing_and_names_no_path(report):
    out, _ = report
    page = (out / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "unsafe" not in page
    assert not re.findall(r"""(?:src|href|srcset)=["'](?!data:|#)""", page)
    assert " style=" not in page
    assert " on" + "click=" not in page
    assert str(out.parent) not in page


def test_the_page_says_what_was_given(report):
    out, _ = report
    page = (out / "report.html").read_text().replace("\u00a0", " ")
    order = re.findall(r'<section id="(\w+)">', page)
    assert order == [
        *(
            "matched",
            "sizes",
            "dice",
            "froc",
            "imbalance",
            "atlas",
            "cases",
            "calibration",
            "training",
        ),
        *("data", "definitions", "provenance"),
    ]
    assert "good, ce: 1/11" in page  # the price of 3 mm against 10 mm, by a square law
    assert "of the gradient" not in page  # of which nothing is concluded
    assert ">CC0<" in page
    training = page.split('<section id="training">')[1].split("</section>")[0]
    differing, common = training.split("<details>")
    assert "loss" in differing
    assert "steps" not in differing
    assert "steps" in common


def test_the_terminal_table_has_each_model_and_size(report):
    _, written = report
    assert "under 3 mm" in written.text
    assert "good" in written.text
    assert "poor" in written.text
    assert max(map(len, written.text.splitlines())) < 140


def test_froc_and_average_precision_are_in_the_summary(report):
    out, _ = report
    summary = pd.read_csv(out / "summary.csv").set_index(["model", "metric", "bucket"])
    metrics = set(summary.index.get_level_values("metric"))
    assert {"froc_recall@0.125", "froc_recall@8", "ap_iou10", "ap_iou50"} <= metrics
    at = summary.loc[("good", "froc_recall@8", "all")]
    row = at[at["minus"].isna()].iloc[0]
    recall = summary.loc[("good", "recall", "all")].query("minus.isna() and average == 'pooled'")
    assert row["value"] == pytest.approx(
        recall["value"].iloc[0]
    )  # candidates add a false_positive only
    assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.usefixtures("undrawn")
def test_two_processes_find_the_same_figures(report, cohort, tmp_path):
    out, _ = report
    matches = match_folders(
        cohort / "reference", {"good": cohort / "good", "poor": cohort / "poor"}
    )
    quick = ScoringOptions(draws=200, atlas=0, viewer=0)
    assert write_report(matches.cases, tmp_path, quick, workers=2) is not None
    for name in ("lesions.csv", "cases.csv", "summary.csv"):
        assert (tmp_path / name).read_text() == (out / name).read_text()
