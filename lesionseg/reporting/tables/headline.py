"""The result in sentences, each number of which is a row of summary.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.statistics import FEW_PATIENTS
from lesionseg.reporting.scoring.lookup import Summary, change, interval, number, p_text, value_text
from lesionseg.reporting.tables.matched import (
    NO_FALSE_POSITIVES,
    NO_SCORES,
    matched_sentence,
)
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.wording import counted


def headline(
    summary: Summary, matched_at: float | None, buckets: SizeBuckets, *, has_scores: bool
) -> tuple[list[str], list[str]]:
    """The answer, then warnings: at matched false positives first, then at own thresholds.

    matched_at: the number of false positives a scan at which the models are compared, if any.
    """
    own = own_thresholds(summary, buckets)
    compared = matched_sentence(summary, matched_at, buckets)
    lesions = smallest_with_lesions(summary, buckets)
    if compared is None and lesions is not None and len(summary.models) > 1:
        compared = NO_FALSE_POSITIVES if has_scores else NO_SCORES
    return [*([compared] if compared else []), *own[:2]], own[2:]


def own_thresholds(summary: Summary, buckets: SizeBuckets) -> list[str]:
    """Two sentences on the smallest bucket that holds lesions, with warnings on few patients.

    With two models the difference is the first minus the second.
    """
    whole = summary.row(summary.models[0], "fp_per_scan")
    if whole is None:
        return ["Nothing was scored."]
    rate = _list([_value(summary, m, "fp_per_scan", ALL_SIZES) for m in summary.models])
    who = counted(whole["num_patients"], "patient")
    bucket = smallest_with_lesions(summary, buckets)
    if bucket is None:
        return [f"On {who} without any reference lesion there were {rate} false positives a scan."]
    size = f"lesions {_size(bucket, buckets)}"
    first, *others = summary.models
    found = [f"{first} found {_value(summary, first, 'recall', bucket)} of {size}"]
    found += [f"{m} {_value(summary, m, 'recall', bucket)}" for m in others]
    thresholds = "its own threshold" if not others else "their own thresholds"
    sentences = [
        f"At {thresholds}, on {who} with {counted(whole['num_lesions'], 'lesion')}, "
        f"{', '.join(found)}"
        f"{_spread(summary, 'recall', bucket)}, at {rate} false positives a scan.",
        f"Region Dice of these small lesions was {_both(summary, 'region_dice', bucket)}; "
        f"Dice of the whole scan was {_both(summary, 'dice', ALL_SIZES)}.",
    ]
    if bucket != buckets.names[0]:
        sentences[1] = sentences[1].replace("these small lesions", size)
    return [*sentences, *_few(summary, bucket, size)]


def _few(summary: Summary, bucket: str, size: str) -> list[str]:
    """A warning where few patients have lesions of the size in the headline."""
    row = summary.row(summary.models[0], "recall", bucket)
    assert row is not None
    if row["num_patients"] >= FEW_PATIENTS:
        return []
    have = "has" if row["num_patients"] == 1 else "have"
    return [
        f"Only {counted(row['num_patients'], 'patient')} {have} {size}, fewer than {FEW_PATIENTS}: "
        "too few to build on."
    ]


def promised_words(summary: Summary, promised: Mapping[str, float]) -> str:
    """False positives a scan on validation, where thresholds were chosen, and on these scans."""
    metric = METRICS["fp_per_scan"]
    parts = [
        f"{model} promised {value_text(metric, promised[model])}, got "
        f"{_value(summary, model, metric.key, ALL_SIZES)}"
        for model in summary.models
        if model in promised
    ]
    if not parts:
        return ""
    return (
        "False positives a scan, promised on the validation scans by which thresholds were chosen "
        f"and got on these: {'; '.join(parts)}."
    )


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
    p_value = f", {p_text(row)}" if p_text(row) else ""
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


def class_sentences(summaries: Mapping[str, Summary]) -> list[str]:
    """What was found of each of several classes at the models' own thresholds, a sentence each."""
    sentences = []
    for name, summary in summaries.items():
        row = summary.row(summary.models[0], "recall")
        rate = _list([_value(summary, m, "fp_per_scan", ALL_SIZES) for m in summary.models])
        if row is None or not row["num_lesions"]:
            sentences.append(
                f"{name}: no reference lesion, {rate} false positives a scan, so that nothing can "
                "be said of what is found."
            )
            continue
        lesions = counted(row["num_lesions"], "lesion")
        who = counted(row["num_patients"], "patient")
        found = ", ".join(
            f"{m} found {_value(summary, m, 'recall', ALL_SIZES)}" for m in summary.models
        )
        dice = _list([_value(summary, m, "region_dice", ALL_SIZES) for m in summary.models])
        sentences.append(
            f"{name} ({lesions} in {who}): {found}, region Dice {dice}, at {rate} false positives "
            "a scan."
        )
    return sentences
