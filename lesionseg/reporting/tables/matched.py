"""Models compared at the same number of false positives a scan, whatever their thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lesionseg.evaluation.froc import FROC_TARGETS
from lesionseg.evaluation.metrics import METRICS, froc_metric
from lesionseg.reporting.scoring.lookup import Summary, change, interval, value_text
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

COMPARE_AT = 2.0  # false positives a scan


def matched_sentence(summary: Summary, curves: pd.DataFrame, buckets: SizeBuckets) -> str | None:
    """What each model finds at the same number of false positives a scan, of all lesions and small.

    curves: the FROC curves. The number is COMPARE_AT, or where a curve ends earlier, the largest
    of FROC_TARGETS that all reach. None where there are no scores, no lesions, or no such number.
    """
    target = matched_target(curves, summary.models)
    if target is None:
        return None
    metric = froc_metric(target)
    parts = [
        words
        for bucket in (ALL_SIZES, *buckets.names)
        if (words := _found(summary, metric, bucket, buckets))
    ]
    if not parts:
        return None
    return f"At {target:g} false positives a scan, {'; '.join(parts)}."


def matched_target(curves: pd.DataFrame, models: list[str]) -> float | None:
    """The number of false positives a scan at which all of `models` can be compared."""
    if not len(curves) or set(curves["model"]) != set(models):
        return None
    whole = curves[curves["bucket"] == ALL_SIZES]
    reached = whole.groupby("model")["fp_per_scan"].max().reindex(models).min()
    fitting = [t for t in FROC_TARGETS if t <= min(COMPARE_AT, reached) * (1 + 1e-9)]
    return max(fitting, default=None)


def _found(summary: Summary, metric: str, bucket: str, buckets: SizeBuckets) -> str:
    """ "unet found 55 % and maskrcnn 76 % of 58 lesions"; nothing where there is no lesion."""
    rows = {model: summary.row(model, metric, bucket) for model in summary.models}
    known = {model: row for model, row in rows.items() if row and row["num_lesions"]}
    if len(known) < len(rows) or not known:
        return ""
    recall = METRICS["recall"]  # the same metric, at a threshold of its own
    values = [f"{model} {value_text(recall, row['value'])} %" for model, row in known.items()]
    num = next(iter(known.values()))["num_lesions"]
    if bucket == ALL_SIZES:
        words = f"{values[0].replace(' ', ' found ', 1)}"
        words += "".join(f", {value}" for value in values[1:])
        return f"{words} of {num} lesions{_spread(summary, recall, metric)}"
    return f"{buckets.describe(bucket)} ({num}): {', '.join(values)}"


def _spread(summary: Summary, recall: Any, metric: str) -> str:
    """The interval of one model's recall, or of the difference of two."""
    models = summary.models
    if len(models) > 2:
        return ""
    minus = models[1] if len(models) == 2 else ""
    row: Mapping[str, Any] | None = summary.row(models[0], metric, ALL_SIZES, minus=minus)
    if row is None or math.isnan(row["low"]):
        return ""
    if not minus:
        return f" (95 % interval {interval(recall, row)})"
    value, low, high = (change(recall, row[k]) for k in ("value", "low", "high"))
    return f" (difference {value} points, 95 % interval {low} to {high})"
