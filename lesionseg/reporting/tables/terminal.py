"""The table by size bucket, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lesionseg.evaluation.metric import Metric
from lesionseg.evaluation.statistics import MIN_PATIENTS
from lesionseg.reporting.scoring.lookup import NOTHING, Summary, interval, metrics_in, value_text
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets


def size_table(table: pd.DataFrame, buckets: SizeBuckets, *, found_iou: float = FOUND_IOU) -> str:
    """Each model's metrics by bucket with 95 % intervals, as text of at most some 100 columns.

    table: that of `evaluation.summary.summarise`.
    """
    summary, shown = Summary(table), metrics_in("terminal")
    names = [*buckets.names, ALL_SIZES]
    rows = [["", "", *(buckets.describe(n) for n in names)]]
    first = summary.models[0] if summary.models else ""
    counts = [summary.row(first, "recall", n) for n in names]
    rows.append(["lesions", "", *(str(c["num_lesions"]) if c else NOTHING for c in counts)])
    for model in summary.models:
        for i, metric in enumerate(shown):
            cells = [_cell(metric, summary.row(model, metric.key, n)) for n in names]
            rows.append([model if i == 0 else "", metric.short_heading, *cells])
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = [
        "  ".join(_pad(cell, w, c) for c, (cell, w) in enumerate(zip(r, widths))) for r in rows
    ]
    rule = "-" * max(map(len, lines))
    starts = {2 + i * len(shown) for i in range(len(summary.models))} | {1}
    body = [
        line for i, line in enumerate(lines) for line in (([rule] if i in starts else []) + [line])
    ]
    return "\n".join(line.rstrip() for line in [*body, rule, *_notes(summary, first, found_iou)])


def _cell(metric: Metric, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return NOTHING
    spread = interval(metric, row)
    value = value_text(metric, row["value"])
    return f"{value} ({spread.replace(' to ', '-')})" if spread else value


def _pad(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)


def _notes(summary: Summary, model: str, found_iou: float) -> list[str]:
    row = summary.row(model, "fp_per_scan")
    if row is None:
        return []
    criterion = f"IoU >= {found_iou:g}" if found_iou > 0 else "any overlap"
    notes = [
        f"found: {criterion}; pooled over {row['num_cases']} scans of {row['num_patients']} "
        "patients; in brackets 95 % intervals over patients"
    ]
    if row["num_patients"] < MIN_PATIENTS:
        notes.append(f"fewer than {MIN_PATIENTS} patients: the intervals are too narrow to trust")
    return notes
