"""Averages over cases with intervals, and models compared: one long table, a row for each value.

"pooled" sums over all lesions or scans before dividing; "mean_over_cases" divides in each case and
averages those where that is defined. Both resample patients.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.counts import count_by_bucket, ratio_parts
from lesionseg.evaluation.metric import MEAN, MEDIAN, POOLED
from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.statistics import (
    DRAWS,
    Difference,
    Estimate,
    bootstrap_median,
    bootstrap_ratio,
    median_difference,
    paired_difference,
)
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

COLUMNS = [
    *("model", "minus", "bucket", "metric", "average", "value", "low", "high", "p_value"),
    *("num_patients", "num_cases", "num_lesions", "num_undefined"),
]


@dataclass(frozen=True, eq=False)
class _Value:
    """One metric of one model as sums, `top` over `bottom`: a value per case, in order of case."""

    bucket: str
    metric: str
    average: str
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]
    num_lesions: int


def summarise(
    lesions: pd.DataFrame,
    predictions: pd.DataFrame,
    cases: pd.DataFrame,
    buckets: SizeBuckets,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Every rate by model, bucket and kind of average; then every pair of models on common cases.

    The tables are those of `evaluate_case`, one below the other, with columns model, case and
    patient. Columns of the result: COLUMNS; `minus` is empty but for differences, where the row is
    `model` minus that model. num_undefined counts the cases in which the value is undefined (in a
    difference of means over cases, for either model); they are left out.
    """
    counts = count_by_bucket(lesions, predictions, cases, buckets)
    made = {m.key: m.of_cases(cases) for m in METRICS.values() if m.of_cases is not None}
    cases = cases.assign(**made)
    models = list(dict.fromkeys(cases["model"]))
    rows: list[dict[str, Any]] = []
    for model in models:
        mine = cases.loc[cases["model"] == model].sort_values("case")
        patients = pd.factorize(mine["patient"])[0]
        for figure in _figures(counts, cases, model, set(mine["case"]), buckets):
            parts = _by_patient(figure, patients)
            rows.append(_row(model, "", figure, bootstrap_ratio(*parts, draws=draws, seed=seed)))
        for metric in _medians():
            values = mine[metric].to_numpy(float)
            median = bootstrap_median(values, patients, draws=draws, seed=seed)
            shown = (~np.isnan(values)).astype(float)
            figure = _Value(
                ALL_SIZES, metric, MEDIAN, values, shown, int(mine["num_reference"].sum())
            )
            rows.append(_row(model, "", figure, median))
    for first, second in itertools.combinations(models, 2):
        both = [set(cases.loc[cases["model"] == m, "case"]) for m in (first, second)]
        common = both[0] & both[1]
        mine = cases[(cases["model"] == first) & cases["case"].isin(common)].sort_values("case")
        patients = pd.factorize(mine["patient"])[0]
        pairs = zip(*(_figures(counts, cases, m, common, buckets) for m in (first, second)))
        for one, other in pairs:
            if METRICS[one.metric].of_reference:
                continue
            a, b = _where_both_defined(one, other)
            difference = paired_difference(
                _by_patient(a, patients), _by_patient(b, patients), draws=draws, seed=seed
            )
            least = replace(a, bottom=np.minimum(a.bottom, b.bottom))
            rows.append(_row(first, second, least, difference))
        theirs = cases[(cases["model"] == second) & cases["case"].isin(common)].sort_values("case")
        for metric in _medians():
            one, other = (table[metric].to_numpy(float) for table in (mine, theirs))
            moved = median_difference(one, other, patients, draws=draws, seed=seed)
            shown = (~np.isnan(one) & ~np.isnan(other)).astype(float)
            number = int(mine["num_reference"].sum())
            figure = _Value(ALL_SIZES, metric, MEDIAN, one, shown, number)
            rows.append(_row(first, second, figure, moved))
    return pd.DataFrame(rows, columns=COLUMNS)


def _figures(
    counts: pd.DataFrame,
    cases: pd.DataFrame,
    model: str,
    names: Collection[str],
    buckets: SizeBuckets,
) -> Iterator[_Value]:
    """All ratios of a model over the cases `names`, in a fixed order."""
    mine = counts[(counts["model"] == model) & counts["case"].isin(names)].sort_values("case")
    for bucket in (*buckets.names, ALL_SIZES):
        rows = mine[mine["bucket"] == bucket]
        num_lesions = int(rows["lesions"].sum())
        for rate in (m for m in METRICS.values() if m.numerator):
            top, bottom = (part.to_numpy(float) for part in ratio_parts(rows, rate))
            if POOLED in rate.averages:
                yield _Value(bucket, rate.key, POOLED, top, bottom, num_lesions)
            if MEAN in rate.averages:
                defined = (bottom > 0).astype(float)
                per_case = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
                yield _Value(bucket, rate.key, MEAN, per_case, defined, num_lesions)
    of_model = cases[(cases["model"] == model) & cases["case"].isin(names)].sort_values("case")
    for metric in (m.key for m in METRICS.values() if MEAN in m.averages and not m.numerator):
        values = of_model[metric].to_numpy(float)
        defined = (~np.isnan(values)).astype(float)
        num_lesions = int(of_model["num_reference"].sum())
        yield _Value(ALL_SIZES, metric, MEAN, np.nan_to_num(values), defined, num_lesions)


def _medians() -> list[str]:
    return [metric.key for metric in METRICS.values() if MEDIAN in metric.averages]


def _where_both_defined(one: _Value, other: _Value) -> tuple[_Value, _Value]:
    if one.average != MEAN:
        return one, other
    both = one.bottom * other.bottom
    return (
        replace(one, top=one.top * both, bottom=both),
        replace(other, top=other.top * both, bottom=both),
    )


def _by_patient(
    figure: _Value, patients: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The metric's sums by patient; patients: (cases,) numbers from 0."""
    return (
        np.bincount(patients, figure.top).astype(np.float64),
        np.bincount(patients, figure.bottom).astype(np.float64),
    )


def _row(model: str, minus: str, figure: _Value, found: Estimate | Difference) -> dict[str, Any]:
    return {
        "model": model,
        "minus": minus,
        "bucket": figure.bucket,
        "metric": figure.metric,
        "average": figure.average,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value if isinstance(found, Difference) else np.nan,
        "num_patients": found.num_patients,
        "num_cases": len(figure.bottom),
        "num_lesions": figure.num_lesions,
        "num_undefined": int((figure.bottom == 0).sum()),
    }
