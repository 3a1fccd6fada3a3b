"""The tables of the page as plain cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesionseg.report.scoring.lookup import (
    NOTHING,
    PERCENT,
    Summary,
    figure,
    interval,
    number,
    signed,
)
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

SHOWN = {
    "recall": "Lesions found, %",
    "region_dice": "Region Dice",
    "lesion_dice": "Lesion Dice",
    "precision": "Precision, %",
    "fp_per_scan": "False positives a scan",
}
WHOLE_SCAN = {
    "dice": "Dice",
    "nsd_1mm": "Surface Dice, 1 mm",
    "hd95_mm": "HD95, mm (median)",
    "brats_lesion_dice": "BraTS lesion-wise Dice",
    "absolute_volume_difference_mm3": "Volume off by, mm³",
    "ap_iou10": "Average precision, IoU .1",
    "ap_iou50": "Average precision, IoU .5",
}
CASE_COLUMNS = {
    "dice": "Dice",
    "num_reference": "Lesions",
    "num_found": "Found",
    "recall": "Found, %",
    "num_false_positive": "False pos.",
    "f1": "F1",
    "pq": "PQ",
    "nsd_1mm": "NSD",
    "hd95_mm": "HD95, mm",
    "reference_volume_mm3": "Volume, mm³",
    "predicted_volume_mm3": "Predicted, mm³",
}


@dataclass(frozen=True)
class Cell:
    value: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """kind: "" or "difference". model: its place among the models, -1 for none."""

    kind: str
    label: str
    model: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    label: str
    rows: tuple[Row, ...]


def size_heads(summary: Summary, buckets: SizeBuckets) -> list[Cell]:
    """Column heads: size, and the number of lesions and of patients who have such."""
    heads = []
    for name in (*buckets.names, ALL_SIZES):
        row = summary.row(summary.models[0], "recall", name)
        note = f"{row['num_lesions']} in {_patients(row['num_patients'])}" if row else ""
        heads.append(Cell(buckets.describe(name), note))
    return heads


def size_groups(summary: Summary, buckets: SizeBuckets) -> list[Group]:
    """A group per metric: a row per model, and the first model's difference from each other."""
    names = [*buckets.names, ALL_SIZES]
    groups = []
    for metric, label in SHOWN.items():
        rows = []
        for i, model in enumerate(summary.models):
            cells = tuple(_cell(metric, summary.row(model, metric, n)) for n in names)
            rows.append(Row("", model, i, cells))
        for label_of, other in differences(summary).items():
            changes = [summary.row(summary.models[0], metric, n, minus=other) for n in names]
            cells = tuple(_change(metric, row) for row in changes)
            rows.append(Row("difference", label_of, -1, cells))
        groups.append(Group(label, tuple(rows)))
    return groups


def differences(summary: Summary) -> dict[str, str]:
    """The models that the first one is held against, by the label of the difference."""
    first, *others = summary.models
    if len(others) == 1:
        return {"difference": others[0]}
    return {f"{first} \N{MINUS SIGN} {other}": other for other in others}


def whole_scan_rows(summary: Summary) -> list[Row]:
    """A row per figure of the whole scan: each model, then the first's differences."""
    rows = []
    for metric, label in WHOLE_SCAN.items():
        found = [
            summary.row(m, metric, average=_average(summary, m, metric)) for m in summary.models
        ]
        if not any(found):
            continue
        cells = [_whole(metric, row) for row in found]
        average = _average(summary, summary.models[0], metric)
        for other in differences(summary).values():
            row = summary.row(summary.models[0], metric, minus=other, average=average)
            cells.append(_change(metric, row))
        rows.append(Row("", label, -1, tuple(cells)))
    return rows


def case_heads() -> list[str]:
    return ["Case", "Model", *CASE_COLUMNS.values()]


def case_rows(cases: pd.DataFrame) -> list[list[Cell]]:
    """One row per case and model, worst Dice first. A cell's note is the number to sort it by."""
    ordered = cases.sort_values(["dice", "case", "model"], na_position="last")
    return [
        [
            Cell(str(row["case"]), str(row["case"])),
            Cell(str(row["model"]), str(row["model"])),
            *(Cell(_case_cell(name, row[name]), f"{row[name]:.10g}") for name in CASE_COLUMNS),
        ]
        for row in ordered.to_dict("records")
    ]


def _average(summary: Summary, model: str, metric: str) -> str | None:
    return "median_over_cases" if metric == "hd95_mm" else None


def _whole(metric: str, row: Mapping[str, Any] | None) -> Cell:
    if row is None or math.isnan(row["value"]):
        return Cell(NOTHING)
    digits = 1 if metric == "hd95_mm" else 0 if metric.endswith("_mm3") else 2
    value, low, high = (number(row[k], digits) for k in ("value", "low", "high"))
    notes = [f"{low} to {high}"] if low != NOTHING else []
    if row["num_undefined"]:
        notes.append(f"undefined in {row['num_undefined']} of {row['num_cases']}")
    return Cell(value, ", ".join(notes))


def _case_cell(name: str, value: float) -> str:
    if name in PERCENT:
        return figure(name, value)
    whole = name.startswith("num_") or name.endswith("_volume_mm3")
    return number(float(value), 0 if whole else 1 if name == "hd95_mm" else 2)


def _cell(metric: str, row: Mapping[str, Any] | None) -> Cell:
    if row is None or math.isnan(row["value"]):
        return Cell(NOTHING)
    return Cell(figure(metric, row["value"]), interval(metric, row))


def _change(metric: str, row: Mapping[str, Any] | None) -> Cell:
    if row is None or math.isnan(row["value"]):
        return Cell(NOTHING)
    scale = 100 if metric in PERCENT else 1
    one_digit = metric in ("fp_per_scan", "hd95_mm")
    digits = 0 if scale == 100 or metric.endswith("_mm3") else 1 if one_digit else 2
    value, low, high = (signed(scale * row[k], digits) for k in ("value", "low", "high"))
    p_value = "" if math.isnan(row["p_value"]) else f", p\u00a0=\u00a0{row['p_value']:.2g}"
    return Cell(value, f"{low} to {high}{p_value}")


def _patients(count: int) -> str:
    return f"{count} patient{'' if count == 1 else 's'}"
