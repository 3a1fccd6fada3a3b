"""A model trained several times: means over seeds within a patient, and their spread, by hand."""

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation import SizeBuckets, evaluate_case, match_candidates
from lesionseg.evaluation.froc_summary import summarise_candidates
from lesionseg.evaluation.matched_rates import summarise_matched
from lesionseg.evaluation.seeds import mean_over_seeds
from lesionseg.evaluation.summary import summarise

BUCKETS = SizeBuckets.from_edges()
MODEL_OF = {"net (1)": "net", "net (2)": "net"}


def lesions(number):
    mask = np.zeros((40, 6, 6), np.uint8)
    for n in range(number):
        mask[4 * n : 4 * n + 2, 0:2, 0:2] = 1
    return mask


def scored(found):
    """found: training -> lesions found of four in each patient."""
    tables = [[], [], []]
    for training, numbers in found.items():
        for patient, number in enumerate(numbers):
            result = evaluate_case(lesions(4), lesions(number), (1, 1, 1))
            key = {"model": training, "case": f"c{patient}", "patient": f"p{patient}"}
            for table, rows in zip(tables, (result.lesions, result.predictions)):
                table.append(rows.assign(**key))
            tables[2].append(pd.DataFrame([key | result.case]))
    return [pd.concat([t for t in table if len(t)], ignore_index=True) for table in tables]


@pytest.fixture(scope="module")
def summary():
    tables = scored({"net (1)": [4, 2], "net (2)": [2, 2], "other": [1, 1]})
    made = summarise(*tables, BUCKETS, model_of=MODEL_OF, draws=50)
    return made.set_index(["model", "minus", "bucket", "metric", "average"])


def test_a_figure_is_the_mean_over_seeds(summary):
    row = summary.loc[("net", "", "all", "recall", "pooled")]
    assert row["value"] == pytest.approx((6 / 8 + 4 / 8) / 2)
    assert (row["num_patients"], row["num_lesions"], row["num_cases"]) == (2, 8, 2)


def test_the_spread_over_seeds_stands_beside_it(summary):
    """6 of 8 and 4 of 8: a standard deviation of 1/4 over the square root of 2."""
    row = summary.loc[("net", "", "all", "recall", "pooled")]
    assert row["num_seeds"] == 2
    assert row["seed_deviation"] == pytest.approx(0.25 / np.sqrt(2))
    once = summary.loc[("other", "", "all", "recall", "pooled")]
    assert once["num_seeds"] == 1
    assert np.isnan(once["seed_deviation"])


def test_a_difference_is_of_the_means(summary):
    row = summary.loc[("net", "other", "all", "recall", "pooled")]
    assert row["value"] == pytest.approx(5 / 8 - 2 / 8)
    dice = summary.loc[("net", "other", "all", "dice", "mean_over_cases")]
    # Dice of 1, 2 and 4 of 4 equal lesions: 2/5, 2/3 and 1
    net = ((1 + 2 / 3) / 2 + (2 / 3 + 2 / 3) / 2) / 2
    assert dice["value"] == pytest.approx(net - 2 / 5)


def candidates(hits):
    """Four lesions, `hits` of them scored .9, and three false positives scored .5."""
    truth, found = np.zeros((40, 12, 12), np.int32), np.zeros((40, 12, 12), np.int32)
    for n in range(4):
        truth[8 * n : 8 * n + 2, 0:2, 0:2] = n + 1
    scores = {}
    for n in range(hits):
        found[8 * n : 8 * n + 2, 0:2, 0:2] = n + 1
        scores[n + 1] = 0.9
    for n in range(3):
        found[2 * n, 8, 8] = 100 + n
        scores[100 + n] = 0.5
    return match_candidates(truth, found, scores)


def test_figures_over_scores_are_means_over_seeds_too():
    by_training = {
        name: {f"c{i}": candidates(n) for i, n in enumerate(numbers)}
        for name, numbers in {"net (1)": [4, 2], "net (2)": [2, 2], "other": [1, 1]}.items()
    }
    patients = {"c0": "p0", "c1": "p1"}
    options = {"model_of": MODEL_OF, "draws": 50}
    matched, _ = summarise_matched(by_training, patients, BUCKETS, **options)
    froc, curves = summarise_candidates(by_training, patients, BUCKETS, **options)
    for table, metric in ((matched, "froc_recall@matched"), (froc, "froc_recall@1")):
        mine = table[(table["metric"] == metric) & (table["bucket"] == "all")]
        rows = mine.set_index(["model", "minus"])
        assert rows.loc[("net", ""), "value"] == pytest.approx(5 / 8)
        assert rows.loc[("net", ""), "seed_deviation"] == pytest.approx(0.25 / np.sqrt(2))
        assert rows.loc[("net", "other"), "value"] == pytest.approx(3 / 8)
    assert set(curves["training"]) == {"net (1)", "net (2)", "other"}
    assert set(curves["model"]) == {"net", "other"}


def test_undefined_values_of_a_seed_are_left_out_of_the_mean():
    table = pd.DataFrame(
        {"model": ["net (1)", "net (2)"], "case": "c", "dice": [np.nan, 0.5], "name": "x"}
    )
    assert mean_over_seeds(table, MODEL_OF, ["case"])["dice"].tolist() == [0.5]
    assert mean_over_seeds(table, {}, ["case"]) is table
