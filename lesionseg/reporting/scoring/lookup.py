"""Single values of the summary table, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lesionseg.evaluation.metric import MEAN, POOLED, Metric, Place
from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.statistics import FEW_PATIENTS
from lesionseg.size_buckets import ALL_SIZES

NOTHING = "\u2013"  # an en dash
MINUS = "\u2212"
FEW = "\u2020"  # marks a figure of few patients
FEW_WORDS = f"{FEW} fewer than {FEW_PATIENTS} patients in the figure: too few to build on"


class Summary:
    """The summary table by (model, minus, bucket, metric, average)."""

    def __init__(self, table: pd.DataFrame) -> None:
        keys = ["model", "minus", "bucket", "metric", "average"]
        self.table = table
        self.models = list(dict.fromkeys(table.loc[table["minus"] == "", "model"]))
        self._rows: dict[tuple[Any, ...], dict[Any, Any]] = {
            tuple(row[k] for k in keys): dict(row) for row in table.to_dict("records")
        }

    def row(
        self,
        model: str,
        metric: str,
        bucket: str = ALL_SIZES,
        *,
        minus: str = "",
        average: str | None = None,
    ) -> Mapping[str, Any] | None:
        """The row of a value, or None; pooled where both averages exist."""
        for kind in (average,) if average else (POOLED, MEAN):
            if row := self._rows.get((model, minus, bucket, metric, kind)):
                return row
        return None


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, by the names of its columns."""
    return [dict(zip(map(str, table.columns), row)) for row in table.itertuples(False, None)]


def number(value: float, digits: int = 2) -> str:
    """A number for a table: fixed digits, a dash for undefined."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def percent(value: float, digits: int = 0) -> str:
    """A share in per cent without the sign: 0.413 gives "41"."""
    return number(100 * value, digits)


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign, a true minus: "+0.19", "\u22120.02"."""
    if math.isnan(value):
        return NOTHING
    text = number(value, digits).replace("-", MINUS)
    is_up = value > 0 and number(value, digits) != number(0.0, digits)
    return f"+{text}" if is_up else text


def value_text(metric: Metric, value: float) -> str:
    """A metric's value in its own unit and digits, the unit left out."""
    return number(metric.scale * value, metric.digits)


def change(metric: Metric, value: float) -> str:
    """A difference of a metric in its own unit, with its sign."""
    return signed(metric.scale * value, metric.digits)


def interval(metric: Metric, row: Mapping[str, Any]) -> str:
    """A 95 % interval in the metric's unit: "31 to 52"."""
    if math.isnan(row["low"]):
        return ""
    return f"{value_text(metric, row['low'])} to {value_text(metric, row['high'])}"


def change_interval(metric: Metric, row: Mapping[str, Any]) -> str:
    """A 95 % interval of a difference in the metric's unit: "-3 to +12"."""
    if math.isnan(row["low"]):
        return ""
    return f"{change(metric, row['low'])} to {change(metric, row['high'])}"


def few_mark(row: Mapping[str, Any]) -> str:
    """The mark of a figure in which there are few patients, else nothing."""
    return FEW if row["num_patients"] < FEW_PATIENTS else ""


def seeds_text(metric: Metric, row: Mapping[str, Any]) -> str:
    """The standard deviation over seeds, "seeds ± 3"; nothing of a model trained once."""
    if math.isnan(row["seed_deviation"]):
        return ""
    return f"seeds ± {value_text(metric, row['seed_deviation'])}"


def p_text(row: Mapping[str, Any]) -> str:
    """The p-value of a difference, called Holm's where adjusting changed it; a dash where too few
    patients differ for one. Nothing where no test is made.
    """
    if math.isnan(row["smallest_p"]):
        return ""
    p_value = row["p_value"] if math.isnan(row["p_holm"]) else row["p_holm"]
    if math.isnan(p_value):
        return f"p {NOTHING}"
    return f"p{' (Holm)' if p_value != row['p_value'] else ''} = {p_value:.2g}"


def metrics_in(place: Place) -> list[Metric]:
    """The metrics that are shown somewhere, in their order there."""
    shown = [metric for metric in METRICS.values() if place in metric.shown]
    return sorted(shown, key=lambda metric: metric.shown[place])
