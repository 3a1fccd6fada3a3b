"""The answer in two sentences, every figure of it a row of summary.csv."""

from __future__ import annotations

import math
from collections.abc import Callable

from lesionseg.evaluation.statistics import MIN_PATIENTS
from lesionseg.report.scoring.lookup import Summary, number, percent, signed
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets


def headline(summary: Summary, buckets: SizeBuckets) -> list[str]:
    """Two sentences on the smallest bucket that holds lesions, with a warning on few patients.

    With two models the difference is the first minus the second.
    """
    whole = summary.row(summary.models[0], "fp_per_scan")
    if whole is None:
        return ["Nothing was scored."]
    rate = _list([_value(summary, m, "fp_per_scan", ALL_SIZES, _per_scan) for m in summary.models])
    who = _count(whole["num_patients"], "patient")
    bucket = smallest_with_lesions(summary, buckets)
    if bucket is None:
        return [f"On {who} without any reference lesion there were {rate} false positives a scan."]
    size = f"lesions {_size(bucket, buckets)}"
    first, *others = summary.models
    found = [f"{first} found {_value(summary, first, 'recall', bucket, _percent)} of {size}"]
    found += [f"{m} {_value(summary, m, 'recall', bucket, _percent)}" for m in others]
    sentences = [
        f"On {who} with {_count(whole['num_lesions'], 'lesion')}, {', '.join(found)}"
        f"{_spread(summary, 'recall', bucket, scale=100)}, at {rate} false positives a scan.",
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
    values = [_value(summary, m, metric, bucket, number) for m in summary.models]
    return _list(values) + _spread(summary, metric, bucket)


def _spread(summary: Summary, metric: str, bucket: str, scale: float = 1) -> str:
    """The interval of a single model's figure, or of the difference of two."""
    models = summary.models
    if len(models) > 2:
        return ""
    digits = 0 if scale == 100 else 2
    minus = models[1] if len(models) == 2 else ""
    row = summary.row(models[0], metric, bucket, minus=minus)
    if row is None or math.isnan(row["low"]):
        return ""
    low, high = scale * row["low"], scale * row["high"]
    if not minus:
        return f" (95 % interval {number(low, digits)} to {number(high, digits)})"
    unit = " points" if scale == 100 else ""
    p_value = "" if math.isnan(row["p_value"]) else f", p = {row['p_value']:.2g}"
    return (
        f" (difference {signed(scale * row['value'], digits)}{unit}, 95 % interval "
        f"{signed(low, digits)} to {signed(high, digits)}{p_value})"
    )


def _value(
    summary: Summary, model: str, metric: str, bucket: str, write: Callable[[float], str]
) -> str:
    row = summary.row(model, metric, bucket)
    return write(row["value"]) if row else number(math.nan)


def _percent(value: float) -> str:
    return f"{percent(value)} %"


def _per_scan(value: float) -> str:
    return number(value, 1)


def _list(values: list[str]) -> str:
    if len(values) == 2:
        return f"{values[0]} against {values[1]}"
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


def _size(bucket: str, buckets: SizeBuckets) -> str:
    words = buckets.describe(bucket)
    return words if words.startswith("under") else f"of {words}"


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"
