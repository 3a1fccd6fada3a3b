"""The table by size bucket, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lesionseg.evaluation.metric import Metric
from lesionseg.evaluation.metrics import MATCHED_RECALL, METRICS
from lesionseg.reporting.scoring.lookup import (
    FEW,
    FEW_WORDS,
    NOTHING,
    Summary,
    change,
    change_interval,
    few_mark,
    interval,
    metrics_in,
    value_text,
)
from lesionseg.reporting.tables.matched import matched_sizes
from lesionseg.reporting.tables.page_tables import differences
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.wording import counted


def size_table(table: pd.DataFrame, buckets: SizeBuckets, *, found_iou: float = FOUND_IOU) -> str:
    """Each model's metrics by bucket with 95 % intervals, as text of at most some 100 columns.

    table: that of `evaluation.summary.summarise`.
    """
    summary = Summary(table)
    names = [*buckets.names, ALL_SIZES]
    rows, starts = _heads(summary, "recall", names, buckets), set()
    for model in summary.models:
        starts.add(len(rows))
        for metric in metrics_in("terminal"):
            found = [summary.row(model, metric.key, n) for n in names]
            rows += _figure_rows(metric, metric.short_heading, found)
        rows[max(starts)][0] = model
    first = summary.models[0] if summary.models else ""
    return _drawn(rows, starts, _notes(summary, first, found_iou))


def matched_table(table: pd.DataFrame, matched_at: float | None, buckets: SizeBuckets) -> str:
    """Each model's recall at the matched number of false positives, and their differences.

    Empty where there is no such number.
    """
    if matched_at is None:
        return ""
    summary, recall, names = Summary(table), METRICS["recall"], matched_sizes(buckets)
    rows = _heads(summary, MATCHED_RECALL, names, buckets)
    first_figure = len(rows)
    for model in summary.models:
        start = len(rows)
        found = [summary.row(model, MATCHED_RECALL, n) for n in names]
        rows += _figure_rows(recall, recall.short_heading, found)
        rows[start][0] = model
    for label, other in differences(summary).items():
        moved = [summary.row(summary.models[0], MATCHED_RECALL, n, minus=other) for n in names]
        rows.append([label, "points", *(_cell(recall, row, is_change=True) for row in moved)])
    note = f"at {matched_at:.3g} false positives a scan; in brackets 95 % intervals over patients"
    return _drawn(rows, {first_figure}, [note])


def class_table(summaries: Mapping[str, Summary]) -> str:
    """Lesions of all sizes by class, at each model's own threshold; nothing of one class."""
    if not summaries:
        return ""
    metrics = metrics_in("terminal")
    rows = [["", "", "lesions", "patients", *(metric.short_heading for metric in metrics)]]
    starts = set()
    for name, summary in summaries.items():
        starts.add(len(rows))
        for model in summary.models:
            row = summary.row(model, "recall")
            numbers = [str(row["num_lesions"]), str(row["num_patients"])] if row else [NOTHING] * 2
            figures = [_cell(metric, summary.row(model, metric.key)) for metric in metrics]
            first = name if len(rows) in starts else ""
            rows.append([first, model, *numbers, *figures])
    return _drawn(rows, starts, ["by lesion class, all sizes, each model at its own threshold"])


def _figure_rows(
    metric: Metric, label: str, found: Sequence[Mapping[str, Any] | None]
) -> list[list[str]]:
    """A row of figures, and below it their standard deviations over seeds where there are any."""
    rows = [["", label, *(_cell(metric, row) for row in found)]]
    spreads = [value_text(metric, row["seed_deviation"]) if row else NOTHING for row in found]
    if any(text != NOTHING for text in spreads):
        rows.append(["", "  \u00b1 over seeds", *spreads])
    return rows


def _heads(
    summary: Summary, metric: str, names: Sequence[str], buckets: SizeBuckets
) -> list[list[str]]:
    """The rows above the figures: sizes, lesions, and patients who have such lesions."""
    first = summary.models[0] if summary.models else ""
    found = [summary.row(first, metric, n) for n in names]
    return [
        ["", "", *(buckets.describe(n) for n in names)],
        ["lesions", "", *(str(row["num_lesions"]) if row else NOTHING for row in found)],
        ["patients", "", *(str(row["num_patients"]) if row else NOTHING for row in found)],
    ]


def _drawn(rows: list[list[str]], starts: set[int], notes: list[str]) -> str:
    """Rows in columns, a rule above the rows `starts`, and notes below."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = [
        "  ".join(_pad(cell, w, c) for c, (cell, w) in enumerate(zip(r, widths))) for r in rows
    ]
    rule = "-" * max(map(len, lines))
    body = [
        line
        for i, line in enumerate(lines)
        for line in (([rule] if i in starts | {1} else []) + [line])
    ]
    few = [FEW_WORDS] if any(FEW in line for line in lines) else []
    return "\n".join(line.rstrip() for line in [*body, rule, *notes, *few])


def _cell(metric: Metric, row: Mapping[str, Any] | None, *, is_change: bool = False) -> str:
    if row is None or math.isnan(row["value"]):
        return NOTHING
    if is_change:
        value, spread = change(metric, row["value"]), change_interval(metric, row)
    else:
        value, spread = value_text(metric, row["value"]), interval(metric, row).replace(" to ", "-")
    known = f" ({spread})" if spread else ""
    return f"{value}{known}{few_mark(row)}"


def _pad(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)


def _notes(summary: Summary, model: str, found_iou: float) -> list[str]:
    row = summary.row(model, "fp_per_scan")
    if row is None:
        return []
    criterion = f"IoU >= {found_iou:g}" if found_iou > 0 else "any overlap"
    return [
        f"found: {criterion}; pooled over {counted(row['num_cases'], 'scan')} of "
        f"{counted(row['num_patients'], 'patient')}; in brackets 95 % intervals over patients"
    ]
