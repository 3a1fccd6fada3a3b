"""The result in two sentences, each number of which is a row of summary.csv."""

from __future__ import annotations

import math

from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.statistics import MIN_PATIENTS
from lesionseg.reporting.scoring.lookup import Summary, change, interval, number, value_text
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets


def headline(summary: Summary, buckets: SizeBuckets) -> list[str]:
    """Two sentences on the smallest bucket that holds lesions, with a warning on few patients.

    With two models the difference is the first minus the second.
    """
    whole = summary.row(summary.models[0], "fp_per_scan")
    if whole is None:
        return ["Nothing was scored."]
    rate = _list([_value(summary, m, "fp_per_scan", ALL_SIZES) for m in summary.models])
    who = _count(whole["num_patients"], "patient")
    bucket = smallest_with_lesions(summary, buckets)
    if bucket is None:
        return [f"On {who} without any reference lesion there were {rate} false positives a scan."]
    size = f"lesions {_size(bucket, buckets)}"
    first, *others = summary.models
    found = [f"{first} found {_value(summary, first, 'recall', bucket)} of {size}"]
    found += [f"{m} {_value(summary, m, 'recall', bucket)}" for m in others]
    sentences = [
        f"On {who} with {_count(whole['num_lesions'], 'lesion')}, {', '.join(found)}"
        f"{_spread(summary, 'recall', bucket)}, at {rate} false positives a scan.",
        f"Region Dice of these small lesions was {_both(summary, 'region_dice', bucket)}; "
        f"Dice of the whole scan was {_both(summary, 'dice', ALL_SIZES)}.",
    ]
    if bucket != buckets.names[0]:
        sentences[1] = sentences[1].replace("these small lesions", size)
    if whole["num_patients"] < MIN_PATIENTS:
        sentences.append(
            f"These are fewer than {MIN_PATIENTS} patients: the intervals are too narrow to trust, "
            "and no p-value is given."
        )
    return sentences


def smallest_with_lesions(summary: Summary, buckets: SizeBuckets) -> str | None:
    """The smallest size bucket that holds a reference lesion."""
    for name in buckets.names:
        row = summary.row(summary.models[0], "recall", name)
        if row and row["num_lesions"]:
            return name
    return None


def _both(summary: Summary, metric: str, bucket: str) -> str:
    values = [_value(summary, m, metric, bucket) for m in summary.models]
    return _list(values) + _spread(summary, metric, bucket)


def _spread(summary: Summary, key: str, bucket: str) -> str:
    """The interval of a single model's value, or of the difference of two."""
    models, metric = summary.models, METRICS[key]
    if len(models) > 2:
        return ""
    minus = models[1] if len(models) == 2 else ""
    row = summary.row(models[0], key, bucket, minus=minus)
    if row is None or math.isnan(row["low"]):
        return ""
    if not minus:
        return f" (95 % interval {interval(metric, row)})"
    unit = " points" if metric.unit == "%" else ""
    value, low, high = (change(metric, row[k]) for k in ("value", "low", "high"))
    p_value = "" if math.isnan(row["p_value"]) else f", p = {row['p_value']:.2g}"
    return f" (difference {value}{unit}, 95 % interval {low} to {high}{p_value})"


def _value(summary: Summary, model: str, key: str, bucket: str) -> str:
    metric, row = METRICS[key], summary.row(model, key, bucket)
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{value_text(metric, row['value'])}{unit}" if row else number(math.nan)


def _list(values: list[str]) -> str:
    if len(values) == 2:
        return f"{values[0]} against {values[1]}"
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


def _size(bucket: str, buckets: SizeBuckets) -> str:
    words = buckets.describe(bucket)
    return words if words.startswith("under") else f"of {words}"


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"
