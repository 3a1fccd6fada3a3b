"""Averages over cases and buckets, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation import SizeBuckets, evaluate_case
from lesionseg.evaluation.counts import imbalance
from lesionseg.evaluation.summary import summarise

BUCKETS = SizeBuckets.from_edges()


def cubes(*starts_and_sides):
    mask = np.zeros((40, 12, 12), np.uint8)
    for start, side in starts_and_sides:
        mask[start : start + side, 2 : 2 + side, 2 : 2 + side] = 1
    return mask


def tables(cases):
    """cases: (model, case, reference, prediction)."""
    lesions, predictions, rows = [], [], []
    for model, case, reference, prediction in cases:
        result = evaluate_case(reference, prediction, (1, 1, 1))
        key = {"model": model, "case": case, "patient": case}
        lesions.append(result.lesions.assign(**key))
        predictions.append(result.predictions.assign(**key))
        rows.append(key | result.case)
    full = [[t for t in part if len(t)] for part in (lesions, predictions)]
    return *(pd.concat(part, ignore_index=True) for part in full), pd.DataFrame(rows)


@pytest.fixture
def cohort():
    """one: tiny (8) and small (27) lesions, both found. two: tiny missed, small found, a false
    positive of 27. three: no lesion, a tiny false positive. The poor model predicts nothing."""
    one = cubes((2, 2), (10, 3))
    two = one, cubes((10, 3), (20, 3))
    nothing = cubes()
    cases = [
        ("good", "one", one, one),
        ("good", "two", *two),
        ("good", "three", nothing, cubes((5, 2))),
    ]
    return tables(cases + [("poor", name, reference, nothing) for _, name, reference, _ in cases])


def value(summary, model, metric, bucket, average="pooled", minus=""):
    query = (
        (summary["model"] == model)
        & (summary["metric"] == metric)
        & (summary["bucket"] == bucket)
        & (summary["average"] == average)
        & (summary["minus"] == minus)
    )
    assert query.sum() == 1
    return summary[query].iloc[0]


def test_rates_by_bucket(cohort):
    summary = summarise(*cohort, BUCKETS, draws=100)
    assert value(summary, "good", "recall", "tiny")["value"] == 1 / 2
    assert value(summary, "good", "recall", "small")["value"] == 1
    assert value(summary, "good", "recall", "all")["value"] == 3 / 4
    assert value(summary, "good", "fp_per_scan", "tiny")["value"] == pytest.approx(1 / 3)
    assert value(summary, "good", "fp_per_scan", "small")["value"] == pytest.approx(1 / 3)
    assert value(summary, "good", "fp_per_scan", "large")["value"] == 0
    assert value(summary, "good", "precision", "small")["value"] == pytest.approx(2 / 3)
    assert value(summary, "good", "f1", "tiny")["value"] == pytest.approx(2 / (2 + 1 + 1))
    assert value(summary, "good", "lesion_dice", "all")["value"] == pytest.approx(3 / 4)
    assert value(summary, "good", "pq_iou50", "tiny")["value"] == pytest.approx(1 / (1 + 0.5 + 0.5))
    assert value(summary, "poor", "recall", "all")["value"] == 0
    assert np.isnan(value(summary, "poor", "precision", "all")["value"])


def test_pooled_and_mean_over_cases_differ_and_are_named(cohort):
    summary = summarise(*cohort, BUCKETS, draws=100)
    pooled = value(summary, "good", "precision", "all")
    mean = value(summary, "good", "precision", "all", "mean_over_cases")
    assert pooled["value"] == pytest.approx(3 / 5)
    assert mean["value"] == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_numbers_stand_beside_each_figure(cohort):
    summary = summarise(*cohort, BUCKETS, draws=100)
    row = value(summary, "good", "recall", "tiny", "mean_over_cases")
    assert row["value"] == pytest.approx((1 + 0) / 2)
    assert (row["num_patients"], row["num_cases"]) == (2, 3)
    assert (row["num_lesions"], row["num_undefined"]) == (2, 1)
    assert value(summary, "good", "fp_per_scan", "tiny")["num_patients"] == 3
    empty = value(summary, "good", "recall", "large")
    assert np.isnan(empty["value"])
    assert (empty["num_patients"], empty["num_undefined"]) == (0, 3)


def test_case_figures_leave_undefined_ones_out(cohort):
    summary = summarise(*cohort, BUCKETS, draws=100)
    row = value(summary, "poor", "dice", "all", "mean_over_cases")
    assert row["value"] == 0
    assert row["num_undefined"] == 1  # case three: both empty
    hd95 = value(summary, "poor", "hd95_mm", "all", "median_over_cases")
    assert hd95["value"] == np.inf


def test_differences_are_first_minus_second_on_the_same_cases(cohort):
    summary = summarise(*cohort, BUCKETS, draws=100)
    row = value(summary, "good", "recall", "all", minus="poor")
    assert row["value"] == pytest.approx(3 / 4)
    assert np.isnan(row["p_value"])  # two patients with lesions
    dice = value(summary, "good", "dice", "all", "mean_over_cases", minus="poor")
    assert dice["num_undefined"] == 1
    lesions, predictions, cases = cohort
    drop = lambda t: t[~((t["model"] == "poor") & (t["case"] == "two"))]  # noqa: E731
    fewer = summarise(drop(lesions), drop(predictions), drop(cases), BUCKETS, draws=100)
    assert value(fewer, "good", "recall", "all", minus="poor")["value"] == 1
    assert value(fewer, "good", "recall", "all", minus="poor")["num_cases"] == 2


def test_a_mean_over_cases_is_compared_where_both_models_define_it(cohort):
    """Precision of the poor model is defined nowhere, so the difference is not either."""
    summary = summarise(*cohort, BUCKETS, draws=100)
    row = value(summary, "good", "precision", "all", "mean_over_cases", minus="poor")
    assert np.isnan(row["value"])
    assert row["num_undefined"] == 3


def test_imbalance_counts_each_case_once(cohort):
    lesions, _, cases = cohort
    table = imbalance(lesions, cases, BUCKETS).set_index("bucket")
    assert table.loc["tiny", "num_lesions"] == 2
    assert table.loc["tiny", "share_lesions"] == pytest.approx(2 / 4)
    assert table.loc["tiny", "share_lesion_voxels"] == pytest.approx(16 / (16 + 54))
    assert table.loc["small", "share_voxels"] == pytest.approx(54 / (3 * 40 * 144))
    assert table["share_voxels"].sum() == pytest.approx(1)
    assert np.isclose(table.loc["background", "num_voxels"], 3 * 40 * 144 - 70)


def test_custom_edges_name_their_own_buckets():
    buckets = SizeBuckets.from_edges((2, 4))
    assert buckets.names == ("<2 mm", "2-4 mm", ">=4 mm")
    assert list(buckets.assign([4.18, 4.19, 33.5, 33.52])) == [
        "<2 mm",
        "2-4 mm",
        "2-4 mm",
        ">=4 mm",
    ]
    assert buckets.describe("2-4 mm") == "2 to 4 mm"
