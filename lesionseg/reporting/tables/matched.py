"""Models compared at the same number of false positives a scan, whatever their thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lesionseg.evaluation.metrics import MATCHED_RECALL, METRICS
from lesionseg.evaluation.statistics import FEW_PATIENTS
from lesionseg.reporting.scoring.lookup import (
    Summary,
    change,
    change_interval,
    interval,
    p_text,
    value_text,
)
from lesionseg.reporting.tables.page_tables import Row, change_cell, differences, value_cell
from lesionseg.size_buckets import ALL_SIZES, SMALL_SIZES, SizeBuckets
from lesionseg.wording import counted

NO_SCORES = (
    "The models cannot be compared at the same number of false positives: not all of them have "
    "scores of candidate lesions. Folders that lesionseg predicted with candidates, or "
    "probabilities.NAME=DIR, have them."
)
NO_COMPARISON = (
    "There is no figure at a fixed number of false positives a scan: it takes candidate lesions "
    "with scores from every model, false positives among them. Folders that lesionseg predicted "
    "with candidates, or probabilities.NAME=DIR, have such scores."
)
NO_FALSE_POSITIVES = (
    "The models cannot be compared at the same number of false positives: not all of them have "
    "any, at any score."
)


def matched_sentence(
    summary: Summary, matched_at: float | None, buckets: SizeBuckets
) -> str | None:
    """What each model finds at the same number of false positives a scan, small lesions first.

    matched_at: that number. None where there is none, or no lesion.
    """
    if matched_at is None:
        return None
    sizes = [ALL_SIZES] if _lacks_lesions(summary, SMALL_SIZES) else [SMALL_SIZES, ALL_SIZES]
    lead, *others = sizes
    if _lacks_lesions(summary, lead):
        return None
    parts = [_lead(summary, lead, buckets)]
    parts += [
        _short(summary, bucket, buckets)
        for bucket in (*others, *buckets.names)
        if not _lacks_lesions(summary, bucket)
    ]
    return f"At {matched_at:.3g} false positives a scan, {'; '.join(parts)}."


def matched_rows(summary: Summary, buckets: SizeBuckets) -> list[Row]:
    """A row of recall a model, then of its differences, with a cell for each of `matched_sizes`."""
    sizes, recall = matched_sizes(buckets), METRICS["recall"]
    rows = [
        Row(
            "",
            model,
            i,
            tuple(value_cell(recall, summary.row(model, MATCHED_RECALL, s)) for s in sizes),
        )
        for i, model in enumerate(summary.models)
    ]
    first = summary.models[0]
    for label, other in differences(summary).items():
        changes = (summary.row(first, MATCHED_RECALL, s, minus=other) for s in sizes)
        rows.append(Row("difference", label, -1, tuple(change_cell(recall, c) for c in changes)))
    return rows


def matched_sizes(buckets: SizeBuckets) -> list[str]:
    """Sizes in the order of the table: that of the primary comparison first."""
    return [SMALL_SIZES, *buckets.names, ALL_SIZES]


def _lacks_lesions(summary: Summary, bucket: str) -> bool:
    row = summary.row(summary.models[0], MATCHED_RECALL, bucket)
    return row is None or not row["num_lesions"]


def _values(summary: Summary, bucket: str, *, intervals: bool = False) -> list[str]:
    """ "unet 55 %", of each model; with its interval, "unet 55 % (40 to 69)"."""
    recall = METRICS["recall"]  # the same metric, at a threshold of its own
    rows = {model: summary.row(model, MATCHED_RECALL, bucket) for model in summary.models}
    return [
        f"{m} {value_text(recall, row['value'])} %"
        + (f" ({interval(recall, row)})" if intervals and interval(recall, row) else "")
        for m, row in rows.items()
        if row
    ]


def _lead(summary: Summary, bucket: str, buckets: SizeBuckets) -> str:
    """ "unet found 55 %, maskrcnn 76 % of 58 lesions under 5 mm (difference ...)"."""
    several = len(summary.models) > 2
    first, *others = _values(summary, bucket, intervals=several)
    row = summary.row(summary.models[0], MATCHED_RECALL, bucket)
    assert row is not None
    size = "" if bucket == ALL_SIZES else f" {buckets.describe(bucket)}"
    words = "".join([first.replace(" ", " found ", 1), *(f", {value}" for value in others)])
    words += f" of {counted(row['num_lesions'], 'lesion')}{size}{_spread(summary, bucket)}"
    words += " (in brackets 95 % intervals)" if several else ""
    if row["num_patients"] < FEW_PATIENTS:
        words += f", in {counted(row['num_patients'], 'patient')}, too few to build on"
    return words


def _short(summary: Summary, bucket: str, buckets: SizeBuckets) -> str:
    """ "3 to 5 mm (21): unet 19 %, maskrcnn 95 %"."""
    row = summary.row(summary.models[0], MATCHED_RECALL, bucket)
    assert row is not None
    return (
        f"{buckets.describe(bucket)} ({row['num_lesions']}): {', '.join(_values(summary, bucket))}"
    )


def _spread(summary: Summary, bucket: str) -> str:
    """The interval of one model's recall, or of the difference of two."""
    models, recall = summary.models, METRICS["recall"]
    if len(models) > 2:
        return ""
    minus = models[1] if len(models) == 2 else ""
    row: Mapping[str, Any] | None = summary.row(models[0], MATCHED_RECALL, bucket, minus=minus)
    if row is None or math.isnan(row["low"]):
        return ""
    if not minus:
        return f" (95 % interval {interval(recall, row)})"
    value, spread = change(recall, row["value"]), change_interval(recall, row)
    p_value = f", {p_text(row)}" if p_text(row) else ""
    return f" (difference {value} points, 95 % interval {spread}{p_value})"
