"""One entry and one function make a metric: it stands in every table, the terminal and the page."""

import json

import numpy as np
import pandas as pd
import pytest
from report_cohort import AFFINE, SHAPE, save

from lesionseg.evaluation.metric import MEAN, POOLED, Metric
from lesionseg.evaluation.metrics import METRICS
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions, write_report


def excess(matched):
    """Predicted voxels assigned to each reference lesion, over its own voxels."""
    return matched.assignment.assigned_size / matched.reference.sizes


TOY = Metric(
    "excess",
    "Size ratio",
    "Voxels of the predictions assigned to a lesion over its own.",
    unit="%",
    digits=1,
    short="size",
    averages=(POOLED, MEAN),
    numerator={"excess": 1},
    denominator={"lesions": 1},
    of_lesions=excess,
    shown={"terminal": 2, "sizes": 9, "plot": 9},
)
TOY_OF_CASE = Metric(
    "toy_voxels",
    "Toy",
    "Predicted voxels of the scan.",
    unit="vox",
    digits=0,
    averages=(MEAN,),
    of_case=lambda case: case.voxels[1],
    shown={"cases": 2, "whole_scan": 9},
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One scan with a lesion of 8 voxels predicted as 12, one of 27 predicted whole."""
    root = tmp_path_factory.mktemp("toy")
    reference, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    reference[2:4, 2:4, 2:4] = 1
    prediction[2:4, 2:4, 2:5] = 1
    reference[20:23, 20:23, 10:13] = prediction[20:23, 20:23, 10:13] = 1
    files = PredictionFiles(save(root / "net" / "a.nii.gz", prediction, AFFINE))
    case = ReportCase("a", "a", save(root / "ref" / "a.nii.gz", reference, AFFINE), {"net": files})
    with pytest.MonkeyPatch.context() as patch:
        for metric in (TOY, TOY_OF_CASE):
            patch.setitem(METRICS, metric.key, metric)
        report = write_report(
            [case], root / "out", ScoringOptions(draws=50, viewer=0, atlas=0), workers=1
        )
    return root / "out", report


@pytest.mark.usefixtures("undrawn")
def test_it_has_a_column_of_lesions_and_of_cases(written):
    out, _ = written
    lesions = pd.read_csv(out / "lesions.csv").sort_values("volume_mm3")
    assert lesions["excess"].tolist() == [12 / 8, 1]
    assert pd.read_csv(out / "cases.csv")["toy_voxels"].tolist() == [12 + 27]


def test_it_is_summed_up_by_size(written):
    summary = pd.read_csv(written[0] / "summary.csv")
    mine = summary[summary["metric"] == "excess"].set_index(["bucket", "average"])["value"]
    assert mine["all", "pooled"] == mine["all", "mean_over_cases"] == (1.5 + 1) / 2
    # 16 and 54 mm3: both between the spheres of 3 and 5 mm, 14.1 and 65.4 mm3
    assert mine["small", "pooled"] == 1.25
    assert summary[summary["metric"] == "toy_voxels"]["value"].tolist() == [39]


def test_the_terminal_has_a_row_in_its_place(written):
    _, report = written
    lines = [line for line in report.text.splitlines() if "size, %" in line]
    assert len(lines) == 1
    assert lines[0].split()[-1] == "125.0\u2020"  # of one patient, who has no interval
    labels = [line[9:24].strip() for line in report.text.splitlines()]
    assert labels.index("size, %") < labels.index("region Dice")


def test_the_page_shows_and_defines_it(written):
    page = (written[0] / "report.html").read_text()
    assert page.count("Size ratio, %") == 2  # the table by size, and the definitions
    assert "125.0" in page
    assert TOY.definition in page
    assert page.count("Toy, vox") == 3  # of the whole scan, of each case, and the definitions
    assert page.count(TOY_OF_CASE.definition) == 1
    described = json.loads((written[0] / "summary.json").read_text())["columns"]
    assert described["excess"] == f"Size ratio, %. {TOY.definition}"


def test_every_metric_is_described_and_made_somehow():
    assert len(METRICS) > 30
    for key, metric in METRICS.items():
        assert metric.key == key
        assert metric.definition.endswith(".")
        ways = [metric.of_case, metric.of_cases, metric.of_scores, metric.numerator or None]
        assert any(way is not None for way in ways) or key.startswith("froc_recall@")
        assert bool(metric.numerator) == bool(metric.denominator)
        assert set(metric.shown) <= {"terminal", "sizes", "plot", "whole_scan", "cases"}
        needs_average = {"terminal", "sizes", "plot", "whole_scan"} & set(metric.shown)
        assert metric.averages or not needs_average
