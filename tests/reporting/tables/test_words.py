"""How figures are written, and the sentences that hold them."""

import math

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation import SizeBuckets
from lesionseg.evaluation.summary import COLUMNS
from lesionseg.reporting.page.page_info import PROMISED, promised
from lesionseg.reporting.plots.imbalance import imbalance_plot, imbalance_words
from lesionseg.reporting.scoring.lookup import Summary, number, percent, signed
from lesionseg.reporting.tables.headline import headline, own_thresholds, promised_words
from lesionseg.reporting.tables.page_tables import differences, size_groups
from lesionseg.reporting.tables.terminal import size_table

BUCKETS = SizeBuckets.from_edges()


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.194, 2, "+0.19"),
        (-0.021, 2, "\u22120.02"),
        (0.001, 2, "0.00"),
        (-0.001, 2, "0.00"),
        (19.4, 0, "+19"),
        (math.inf, 1, "+\u221e"),
        (-math.inf, 1, "\u2212\u221e"),
        (math.nan, 1, "\u2013"),
    ],
)
def test_differences_carry_their_sign(value, digits, text):
    assert signed(value, digits) == text


def test_numbers():
    assert number(math.nan) == "\u2013"
    assert number(math.inf) == "\u221e"
    assert percent(0.413) == "41"
    assert percent(0.413, 1) == "41.3"


def row(model, metric, value, bucket="all", minus="", average="pooled", **other):
    base = dict.fromkeys(COLUMNS, np.nan) | {"num_patients": 12, "num_cases": 13, "num_lesions": 40}
    spread = {"low": value - 0.1, "high": value + 0.1, "num_undefined": 0}
    named = {"model": model, "metric": metric, "bucket": bucket, "minus": minus}
    return base | spread | named | {"value": value, "average": average} | other


def table(*models, **other):
    rows = []
    for model, recall in models:
        for bucket in ("tiny", "all"):
            rows.append(row(model, "recall", recall, bucket, **other))
            rows.append(row(model, "region_dice", recall / 2, bucket, **other))
        rows.append(row(model, "fp_per_scan", 3.04, **other))
        rows.append(row(model, "dice", 0.7, average="mean_over_cases", **other))
    return pd.DataFrame(rows, columns=COLUMNS)


def test_one_model_has_its_own_interval():
    sentences = own_thresholds(Summary(table(("net", 0.42))), BUCKETS)
    assert sentences == [
        "At its own threshold, on 12 patients with 40 lesions, net found 42 % of lesions under "
        "3 mm (95 % interval 32 to 52), at 3.0 false positives a scan.",
        "Region Dice of these small lesions was 0.21 (95 % interval 0.11 to 0.31); "
        "Dice of the whole scan was 0.70 (95 % interval 0.60 to 0.80).",
    ]


def test_two_models_have_the_interval_of_their_difference():
    change = row("a", "recall", 0.19, "tiny", minus="b", p_holm=0.031, smallest_p=0.01)
    both = pd.concat([table(("a", 0.41), ("b", 0.22)), pd.DataFrame([change])])
    assert own_thresholds(Summary(both), BUCKETS)[0] == (
        "At their own thresholds, on 12 patients with 40 lesions, a found 41 % of lesions under "
        "3 mm, b 22 % (difference +19 points, 95 % interval +9 to +29, p (Holm) = 0.031), "
        "at 3.0 against 3.0 false positives a scan."
    )


def test_three_models_are_listed():
    sentences = own_thresholds(Summary(table(("a", 0.4), ("b", 0.2), ("c", 0.3))), BUCKETS)
    assert "a found 40 % of lesions under 3 mm, b 20 %, c 30 %, at 3.0, 3.0 and 3.0" in sentences[0]
    assert "difference" not in sentences[0]


def test_few_patients_in_the_figure_are_warned_of_however_many_were_scanned():
    """Thirty patients, of whom nine have a tiny lesion."""
    found = table(("net", 0.4), num_patients=30)
    assert len(own_thresholds(Summary(found), BUCKETS)) == 2
    assert "\u2020" not in size_table(found, BUCKETS)
    found.loc[found["bucket"] == "tiny", "num_patients"] = 9
    sentences = own_thresholds(Summary(found), BUCKETS)
    assert sentences[2] == (
        "Only 9 patients have lesions under 3 mm, fewer than 10: too few to build on."
    )
    lines = size_table(found, BUCKETS).splitlines()
    (recall,) = [line for line in lines if "found, %" in line]
    assert recall.count("\u2020") == 1  # tiny, and not all sizes
    assert lines[-1] == "\u2020 fewer than 10 patients in the figure: too few to build on"
    (group, *_) = size_groups(Summary(found), BUCKETS)
    assert [("\u2020" in cell.note) for cell in group.rows[0].cells] == [True, *[False] * 4]


@pytest.mark.parametrize(
    ("has_scores", "why"),
    [(False, "not all of them have scores"), (True, "not all of them have any")],
)
def test_models_without_a_common_number_are_told_why(has_scores, why):
    both = Summary(table(("a", 0.4), ("b", 0.2)))
    answer, notes = headline(both, None, BUCKETS, has_scores=has_scores)
    assert why in answer[0]
    assert answer[1].startswith("At their own thresholds")
    assert notes == []
    alone, _ = headline(Summary(table(("a", 0.4))), None, BUCKETS, has_scores=False)
    assert alone[0].startswith("At its own threshold")


def test_promised_and_got_false_positives_stand_beside_each_other():
    both = Summary(table(("a", 0.4), ("b", 0.2)))
    said = promised_words(both, {"a": 2.0})
    assert said.endswith("and got on these: a promised 2.0, got 3.0.")
    assert promised_words(both, {}) == ""
    by_class = {
        f"training.threshold_choice.{name}.fp_per_scan": "0.75" for name in ("core", "oedema")
    }
    training = {"a": {PROMISED: "2.0"}, "b": by_class, "c": {PROMISED: "many"}}
    assert promised(training) == {"a": 2.0, "b": 1.5}


def test_without_tiny_lesions_the_smallest_size_there_is_is_named():
    larger = table(("net", 0.4)).replace({"bucket": {"tiny": "medium"}})
    first, second = own_thresholds(Summary(larger), BUCKETS)
    assert "of lesions of 5 to 10 mm" in first
    assert "Region Dice of lesions of 5 to 10 mm" in second


def test_the_terminal_table():
    text = size_table(table(("net", 0.41)), BUCKETS)
    line = next(line for line in text.splitlines() if "found, %" in line)
    assert line.split()[:4] == ["net", "found,", "%", "41"]
    assert "(31-51)" in line
    assert "IoU >= 0.1" in text
    assert "12 patients" in text


SHARES = pd.DataFrame(
    {
        "bucket": [*BUCKETS.names, "background"],
        "num_lesions": [30, 30, 30, 10, 0],
        "share_lesions": [0.3, 0.3, 0.3, 0.1, 0.0],
        "share_lesion_voxels": [0.02, 0.08, 0.3, 0.6, 0.0],
        "share_voxels": [0.0002, 0.0008, 0.003, 0.006, 0.99],
    }
)


def test_the_imbalance_is_told_in_lesions_and_voxels():
    (said,) = imbalance_words(SHARES, BUCKETS)
    assert said.startswith(
        "Lesions under 5 mm are 60 % of the lesions and 10 % of the lesion voxels"
    )
    (axis,) = imbalance_plot(SHARES, BUCKETS, 9.0).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["lesions", "lesion voxels"]


def test_of_three_models_the_first_is_held_against_each_other():
    found = table(("a", 0.5), ("b", 0.4), ("c", 0.3))
    minus = [
        row("a", "recall", value, bucket, minus=other, p_value=0.01, p_holm=0.25, smallest_p=0.004)
        for other, value in (("b", 0.1), ("c", 0.2))
        for bucket in ("tiny", "all")
    ]
    summary = Summary(pd.concat([found, pd.DataFrame(minus, columns=COLUMNS)], ignore_index=True))
    group = size_groups(summary, BUCKETS)[0]
    assert [r.label for r in group.rows] == ["a", "b", "c", "a \u2212 b", "a \u2212 c"]
    last = group.rows[-1].cells[-1]
    assert (last.value, last.note) == ("+20", "+10 to +30, p\u00a0(Holm)\u00a0=\u00a00.25")
    assert list(differences(summary).values()) == ["b", "c"]
    two = Summary(table(("a", 0.5), ("b", 0.4)))
    assert differences(two) == {"difference": "b"}
    assert differences(Summary(table(("a", 0.5)))) == {}
