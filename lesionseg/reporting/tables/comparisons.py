"""Every comparison of models that the page shows, with its test: one primary, Holm for the others.

Named before any result is seen, the primary comparison is the recall of lesions under SMALL_MM at
the matched number of false positives, of the first model against the second; with more models, of
the first against each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lesionseg.evaluation.metric import POOLED
from lesionseg.evaluation.metrics import MATCHED_RECALL, METRICS
from lesionseg.evaluation.paired import ALPHA, holm, patients_needed
from lesionseg.reporting.scoring.lookup import (
    MINUS,
    NOTHING,
    change,
    few_mark,
    metrics_in,
    records,
)
from lesionseg.reporting.tables.page_tables import Cell
from lesionseg.size_buckets import SMALL_MM, SMALL_SIZES, SizeBuckets
from lesionseg.wording import counted

POINTS = 0.1  # the difference of recall that the number of patients is given for
COLUMNS = [
    *("primary", "model", "minus", "bucket", "metric", "average", "value", "low", "high"),
    *("num_patients", "num_differing", "smallest_p", "p_value", "p_holm", "deviation"),
]
TESTED = ("p_value", "num_differing", "smallest_p")
PRIMARY = (
    f"Primary comparison, named before the results: recall of lesions under {SMALL_MM:g} mm at the "
    "matched number of false positives a scan."
)
HEADS = (
    *("Comparison", "Difference", "95 % interval", "Patients", "who differ"),
    *("smallest p", "p", "p, Holm"),
)


def with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """The summary with p_holm of every comparison of the page.

    The primary comparison is adjusted for the models that the first is compared with alone, all
    others for each other. Where the table has a column class, its first class is that of all
    together; of the others only recall at matched false positives is tested.
    """
    table = table.copy()
    untested = ~_of_whole(table) & (table["metric"] != MATCHED_RECALL)
    table.loc[untested, list(TESTED)] = math.nan
    shown = _shown(table)
    primary = _is_primary(table)
    for family in (shown & primary, shown & ~primary):
        p_values = table.loc[family, "p_value"].astype(float).tolist()
        table.loc[family, "p_holm"] = holm(p_values)
    return table


def comparisons(table: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of the page, primary first: columns COLUMNS."""
    mine = table[_shown(table)]
    mine = mine.assign(primary=_is_primary(mine))
    matched = mine["metric"] == MATCHED_RECALL
    parts = [mine[mine["primary"]], mine[matched & ~mine["primary"]], mine[~matched]]
    of_class = ["class"] if "class" in table else []
    return pd.concat(parts, ignore_index=True)[[*of_class, *COLUMNS]]


def _shown(table: pd.DataFrame) -> pd.Series:
    """Which rows are differences that the page shows: of the first model from each other."""
    averages = {metric.key: POOLED for metric in metrics_in("sizes")}
    averages |= {metric.key: metric.averages[0] for metric in metrics_in("whole_scan")}
    averages[MATCHED_RECALL] = POOLED
    first = table.loc[table["minus"] == "", "model"].iloc[:1].tolist()
    right = table["metric"].map(averages) == table["average"]
    tested = _of_whole(table) | (table["metric"] == MATCHED_RECALL)
    return (table["minus"] != "") & table["model"].isin(first) & right & tested


def _is_primary(table: pd.DataFrame) -> pd.Series:
    small = (table["metric"] == MATCHED_RECALL) & (table["bucket"] == SMALL_SIZES)
    return small & _of_whole(table)


def _of_whole(table: pd.DataFrame) -> pd.Series:
    """Which rows are of all classes together, or of the one class."""
    if "class" not in table or not len(table):
        return pd.Series(True, index=table.index)
    return table["class"] == table["class"].iloc[0]


def comparison_rows(
    table: pd.DataFrame, buckets: SizeBuckets, matched_at: Mapping[str, float | None]
) -> list[tuple[Cell, ...]]:
    """The rows of `comparisons` as cells under HEADS. matched_at: by class."""
    several, classes = table["minus"].nunique() > 1, table["class"].nunique() > 1
    rows = []
    for row in records(table):
        metric = METRICS[str(row["metric"])]
        if math.isnan(row["value"]):
            continue
        where = "own thresholds"
        if row["metric"] == MATCHED_RECALL:
            where = f"{matched_at[row['class']]:.3g} false positives a scan"
        if classes:
            where = f"{row['class']}, {where}"
        label = METRICS["recall"].heading if row["metric"] == MATCHED_RECALL else metric.heading
        pair = f"{row['model']} {MINUS} {row['minus']}: " if several else ""
        rows.append(
            (
                Cell(f"{pair}{label}, {buckets.describe(str(row['bucket']))}", where),
                Cell(change(metric, row["value"])),
                Cell(_interval(row)),
                Cell(f"{row['num_patients']:.0f}{few_mark(row)}"),
                *(Cell(text) for text in _test_texts(row)),
            )
        )
    return rows


def _interval(row: Mapping[str, Any]) -> str:
    if math.isnan(row["low"]):
        return NOTHING
    low, high = (change(METRICS[row["metric"]], row[k]) for k in ("low", "high"))
    return f"{low} to {high}"


def _test_texts(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Patients who differ, smallest p, p, and p by Holm; dashes where there is none."""
    if math.isnan(row["smallest_p"]):
        return NOTHING, NOTHING, NOTHING, NOTHING
    p_values = [NOTHING if math.isnan(row[k]) else f"{row[k]:.2g}" for k in ("p_value", "p_holm")]
    return f"{row['num_differing']:.0f}", f"{row['smallest_p']:.2g}", p_values[0], p_values[1]


def words_on_tests(table: pd.DataFrame) -> list[str]:
    """What the tests are, and how many patients a difference of ten points takes."""
    several = table["minus"].nunique() > 1
    alone = "It is adjusted for the number of models" if several else "Its p stands alone"
    if not table.loc[table["primary"], "value"].notna().any():
        alone = (
            "It cannot be made here, for want of a matched number of false positives or of such "
            "lesions"
        )
    said = [
        f"{PRIMARY} {alone}; the others are adjusted for their number by Holm's method.",
        "p-values are of a two-sided test that swaps the models within patients. So many patients "
        "as differ decide how small p can be: 2 / 2^patients. Where that is above "
        f"{ALPHA:.2g}, no result could be called a difference, and p is {NOTHING}.",
    ]
    if "class" in table and table["class"].nunique() > 1:
        said.append(
            "The primary comparison is of all classes together. Each class is compared at the "
            "matched number of its own false positives; those comparisons are among the others "
            "that are adjusted. No tests are made by class at the models' own thresholds."
        )
    return [*said, *sample_sizes(table)]


def sample_sizes(table: pd.DataFrame) -> list[str]:
    """How many patients it takes to see ten points of recall, by the spread of the primary one."""
    sentences = []
    primary = table[table["primary"]]
    for row in records(primary):
        needed = patients_needed(float(row["deviation"]), POINTS)
        if needed is None:
            continue
        pair = f" between {row['model']} and {row['minus']}" if len(primary) > 1 else ""
        sentences.append(
            f"To see a difference of {100 * POINTS:.0f} points{pair} in recall of lesions under "
            f"{SMALL_MM:g} mm: about {counted(needed, 'patient')} with such lesions (80 % power at "
            f"5 %, from the spread over {counted(int(row['num_patients']), 'patient')})."
        )
    return sentences
