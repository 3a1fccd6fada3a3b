"""The tables of the page as plain cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesionseg.evaluation.buckets import ALL_SIZES, SizeBuckets
from lesionseg.report.lookup import NOTHING, PERCENT, Summary, figure, interval, number, signed

SHOWN = {
    "recall": "Found, %",
    "region_dice": "Region Dice",
    "lesion_dice": "Lesion Dice",
    "precision": "Precision, %",
    "fp_per_scan": "False positives a scan",
}
CASE_COLUMNS = {
    "dice": "Dice",
    "recall": "Found, %",
    "num_reference": "Lesions",
    "num_found": "Found",
    "num_false_positive": "False pos.",
    "f1": "Lesion F1",
    "pq": "PQ",
    "nsd_1mm": "NSD 1 mm",
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
    kind: str
    label: str
    cells: tuple[Cell, ...]


def size_rows(summary: Summary, buckets: SizeBuckets) -> list[Row]:
    """A row per metric and model, and one for the difference where there are two models."""
    names = [*buckets.names, ALL_SIZES]
    rows = []
    for metric, label in SHOWN.items():
        for i, model in enumerate(summary.models):
            cells = tuple(_cell(metric, summary.row(model, metric, n)) for n in names)
            rows.append(Row("first" if i == 0 else "", f"{label} · {model}", cells))
        if len(summary.models) == 2:
            first, second = summary.models
            found = [summary.row(first, metric, n, minus=second) for n in names]
            rows.append(Row("difference", "difference", tuple(_change(metric, r) for r in found)))
    return rows


def size_heads(summary: Summary, buckets: SizeBuckets) -> list[dict[str, str]]:
    """Column heads: size, and the number of lesions and of patients who have such."""
    heads = []
    for name in (*buckets.names, ALL_SIZES):
        row = summary.row(summary.models[0], "recall", name)
        note = f"{row['num_lesions']} in {row['num_patients']} patients" if row else ""
        heads.append({"name": buckets.describe(name), "note": note})
    return heads


def case_heads() -> list[str]:
    return ["Case", "Model", *CASE_COLUMNS.values()]


def case_rows(cases: pd.DataFrame) -> list[list[str]]:
    """One row per case and model, worst Dice first."""
    ordered = cases.sort_values(["dice", "case"], na_position="last")
    return [
        [
            str(row["case"]),
            str(row["model"]),
            *(_case_cell(name, row[name]) for name in CASE_COLUMNS),
        ]
        for row in ordered.to_dict("records")
    ]


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
    scale, digits = (100, 0) if metric in PERCENT else (1, 1 if metric == "fp_per_scan" else 2)
    value, low, high = (signed(scale * row[k], digits) for k in ("value", "low", "high"))
    p_value = "" if math.isnan(row["p_value"]) else f", p = {row['p_value']:.2g}"
    return Cell(value, f"{low} to {high}{p_value}")
