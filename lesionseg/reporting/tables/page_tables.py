"""The tables of the page as plain cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesionseg.evaluation.metric import MEDIAN, Metric
from lesionseg.reporting.scoring.lookup import (
    NOTHING,
    Summary,
    change,
    change_interval,
    few_mark,
    interval,
    metrics_in,
    p_text,
    seeds_text,
    value_text,
)
from lesionseg.reporting.scoring.records import ScoringOptions
from lesionseg.reporting.tables.definitions import shown_metrics
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.wording import counted


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


def size_heads(
    summary: Summary, buckets: SizeBuckets, names: Sequence[str], *, metric: str = "recall"
) -> list[Cell]:
    """Column heads: size, and the number of lesions and of patients who have such.

    metric: the recall whose columns they are.
    """
    heads = []
    for name in names:
        row = summary.row(summary.models[0], metric, name)
        note = f"{row['num_lesions']} in {counted(row['num_patients'], 'patient')}" if row else ""
        heads.append(Cell(buckets.describe(name), note))
    return heads


def size_groups(summary: Summary, buckets: SizeBuckets) -> list[Group]:
    """A group per metric: a row per model, and the first model's difference from each other."""
    names = [*buckets.names, ALL_SIZES]
    groups = []
    for metric in metrics_in("sizes"):
        rows = []
        for i, model in enumerate(summary.models):
            cells = tuple(value_cell(metric, summary.row(model, metric.key, n)) for n in names)
            rows.append(Row("", model, i, cells))
        for label_of, other in differences(summary).items():
            changes = [summary.row(summary.models[0], metric.key, n, minus=other) for n in names]
            cells = tuple(change_cell(metric, row) for row in changes)
            rows.append(Row("difference", label_of, -1, cells))
        groups.append(Group(metric.heading, tuple(rows)))
    return groups


def differences(summary: Summary) -> dict[str, str]:
    """The models that the first one is compared with, by the label of the difference."""
    first, *others = summary.models
    if len(others) == 1:
        return {"difference": others[0]}
    return {f"{first} \N{MINUS SIGN} {other}": other for other in others}


def whole_scan_rows(summary: Summary) -> list[Row]:
    """A row per metric of the whole scan: each model, then the first's differences."""
    rows = []
    for metric in metrics_in("whole_scan"):
        average = metric.averages[0]
        found = [summary.row(m, metric.key, average=average) for m in summary.models]
        if not any(found):
            continue
        cells = [_whole(metric, row) for row in found]
        for other in differences(summary).values():
            row = summary.row(summary.models[0], metric.key, minus=other, average=average)
            cells.append(change_cell(metric, row))
        label = f"{metric.heading} (median)" if average == MEDIAN else metric.heading
        rows.append(Row("", label, -1, tuple(cells)))
    return rows


def case_heads(options: ScoringOptions) -> list[str]:
    heads = (metric.short_heading for metric in shown_metrics("cases", options))
    return ["Case", "Model", *(head[0].upper() + head[1:] for head in heads)]


def case_rows(cases: pd.DataFrame, options: ScoringOptions) -> list[list[Cell]]:
    """One row per case and model, worst Dice first. A cell's note is the number to sort it by."""
    shown = shown_metrics("cases", options)
    ordered = cases.sort_values(["dice", "case", "model"], na_position="last")
    return [
        [
            Cell(str(row["case"]), str(row["case"])),
            Cell(str(row["model"]), str(row["model"])),
            *(Cell(value_text(m, float(row[m.key])), f"{row[m.key]:.10g}") for m in shown),
        ]
        for row in ordered.to_dict("records")
    ]


def _whole(metric: Metric, row: Mapping[str, Any] | None) -> Cell:
    if row is None or math.isnan(row["value"]):
        return Cell(NOTHING)
    num = row["num_undefined"]
    undefined = f"undefined in {num} of {row['num_cases']}" if num else ""
    notes = (interval(metric, row), seeds_text(metric, row), undefined)
    return _noted(value_text(metric, row["value"]), notes, row)


def value_cell(metric: Metric, row: Mapping[str, Any] | None) -> Cell:
    if row is None or math.isnan(row["value"]):
        return Cell(NOTHING)
    notes = (interval(metric, row), seeds_text(metric, row))
    return _noted(value_text(metric, row["value"]), notes, row)


def change_cell(metric: Metric, row: Mapping[str, Any] | None) -> Cell:
    """A difference over its interval and p-value, marked where it is of few patients."""
    if row is None or math.isnan(row["value"]):
        return Cell(NOTHING)
    notes = (change_interval(metric, row), p_text(row).replace(" ", "\u00a0"))
    return _noted(change(metric, row["value"]), notes, row)


def _noted(value: str, notes: Sequence[str], row: Mapping[str, Any]) -> Cell:
    """A cell with those notes that say something, marked where it is of few patients."""
    said = ", ".join(note for note in notes if note)
    return Cell(value, f"{said} {few_mark(row)}".strip())
