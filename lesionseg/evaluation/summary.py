"""Averages over cases with intervals, and models compared: one long table, a row for each value.

"pooled" sums over all lesions or scans before dividing; "mean_over_cases" divides in each case and
averages those where that is defined. Both resample patients.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.counts import KEY, count_by_bucket, ratio_parts
from lesionseg.evaluation.metric import MEAN, MEDIAN, POOLED
from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.paired import Difference, median_difference, paired_difference
from lesionseg.evaluation.seeds import SeedSpread, mean_over_seeds, trainings
from lesionseg.evaluation.statistics import (
    DRAWS,
    Estimate,
    bootstrap_ratio,
    pooled_share,
    ratio,
)
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

COLUMNS = [
    *("model", "minus", "bucket", "metric", "average", "value", "low", "high", "p_value"),
    *("num_patients", "num_cases", "num_lesions", "num_undefined"),
    *("num_differing", "smallest_p", "p_holm", "deviation", "num_seeds", "seed_deviation"),
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
    model_of: Mapping[str, str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Every rate by model, bucket and kind of average; then every pair of models on common cases.

    The tables are those of `evaluate_case`, one below the other, with columns model, case and
    patient. Columns of the result: COLUMNS; `minus` is empty but for differences, where the row is
    `model` minus that model, over the cases that all models have. num_undefined counts the cases in
    which the value is undefined (in a difference of means over cases, for either model); they are
    left out. num_differing, smallest_p, deviation: those of `paired.Difference`; p_holm is empty
    here. model_of: as in `seeds`; num_seeds and seed_deviation are those of `seeds.SeedSpread`.
    """
    counts = count_by_bucket(lesions, predictions, cases, buckets)
    made = {m.key: m.of_cases(cases) for m in METRICS.values() if m.of_cases is not None}
    cases = cases.assign(**made)
    spreads = _seed_spreads(counts, cases, buckets, model_of or {})
    counts = mean_over_seeds(counts, model_of or {}, KEY[1:])
    cases = mean_over_seeds(cases, model_of or {}, ["case", "patient"])
    models = list(dict.fromkeys(cases["model"]))
    drawing = {"draws": draws, "seed": seed}
    rows: list[dict[str, Any]] = []
    for model in models:
        for row in _rows_of_model(counts, cases, model, buckets, drawing):
            spread = spreads.get((model, row["bucket"], row["metric"], row["average"]))
            rows.append(with_seeds(row, spread or SeedSpread()))
    common = set.intersection(*(set(cases.loc[cases["model"] == m, "case"]) for m in models))
    for first, second in itertools.combinations(models, 2):
        rows += _rows_of_pair(counts, cases, (first, second), common, buckets, drawing)
    return pd.DataFrame(rows, columns=COLUMNS)


def _seed_spreads(
    counts: pd.DataFrame, cases: pd.DataFrame, buckets: SizeBuckets, model_of: Mapping[str, str]
) -> dict[tuple[str, str, str, str], SeedSpread]:
    """By model, bucket, metric and average, for the models of several seeds."""
    spreads = {}
    for model, mine in trainings(cases["model"], model_of).items():
        if len(mine) < 2:
            continue
        names = (set(cases.loc[cases["model"] == one, "case"]) for one in mine)
        figures = (_figures(counts, cases, one, of, buckets) for one, of in zip(mine, names))
        for same in zip(*figures):
            values = [float(ratio(figure.top.sum(), figure.bottom.sum())) for figure in same]
            key = (model, same[0].bucket, same[0].metric, same[0].average)
            spreads[key] = SeedSpread.of(values)
    return spreads


def with_seeds(row: dict[str, Any], spread: SeedSpread) -> dict[str, Any]:
    """A row of the summary with the spread over seeds."""
    return row | {"num_seeds": spread.num_seeds, "seed_deviation": spread.deviation}


def _rows_of_model(
    counts: pd.DataFrame,
    cases: pd.DataFrame,
    model: str,
    buckets: SizeBuckets,
    drawing: Mapping[str, int],
) -> Iterator[dict[str, Any]]:
    mine = cases.loc[cases["model"] == model].sort_values("case")
    patients = pd.factorize(mine["patient"])[0]
    for figure in _figures(counts, cases, model, set(mine["case"]), buckets):
        parts = _by_patient(figure, patients)
        if METRICS[figure.metric].counts_things and figure.average == POOLED:
            yield _row(model, "", figure, pooled_share(*parts))
        else:
            yield _row(model, "", figure, bootstrap_ratio(*parts, **drawing))
    for metric in _medians():
        values = mine[metric].to_numpy(float)
        shown = ~np.isnan(values)
        value = float(np.median(values[shown])) if shown.any() else np.nan
        median = Estimate(value, np.nan, np.nan, len(set(patients[shown].tolist())))
        number = int(mine["num_reference"].sum())
        figure = _Value(ALL_SIZES, metric, MEDIAN, values, shown.astype(float), number)
        yield _row(model, "", figure, median)


def _rows_of_pair(
    counts: pd.DataFrame,
    cases: pd.DataFrame,
    pair: tuple[str, str],
    common: Collection[str],
    buckets: SizeBuckets,
    drawing: Mapping[str, int],
) -> Iterator[dict[str, Any]]:
    mine, theirs = (
        cases[(cases["model"] == m) & cases["case"].isin(common)].sort_values("case") for m in pair
    )
    patients = pd.factorize(mine["patient"])[0]
    for one, other in zip(*(_figures(counts, cases, m, common, buckets) for m in pair)):
        if METRICS[one.metric].of_reference:
            continue
        a, b = _where_both_defined(one, other)
        difference = paired_difference(
            _by_patient(a, patients), _by_patient(b, patients), **drawing
        )
        least = replace(a, bottom=np.minimum(a.bottom, b.bottom))
        yield _row(*pair, least, difference)
    for metric in _medians():
        one, other = (table[metric].to_numpy(float) for table in (mine, theirs))
        moved = median_difference(one, other, patients, **drawing)
        shown = (~np.isnan(one) & ~np.isnan(other)).astype(float)
        number = int(mine["num_reference"].sum())
        yield _row(*pair, _Value(ALL_SIZES, metric, MEDIAN, one, shown, number), moved)


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
    return summary_row(
        model,
        minus,
        found,
        bucket=figure.bucket,
        metric=figure.metric,
        average=figure.average,
        num_cases=len(figure.bottom),
        num_lesions=figure.num_lesions,
        num_undefined=int((figure.bottom == 0).sum()),
    )


def summary_row(
    model: str,
    minus: str,
    found: Estimate | Difference,
    *,
    bucket: str,
    metric: str,
    average: str,
    num_cases: int,
    num_lesions: int,
    num_undefined: int = 0,
) -> dict[str, Any]:
    """One row of the summary, with the columns COLUMNS."""
    row = dict.fromkeys(COLUMNS, np.nan) | {
        "model": model,
        "minus": minus,
        "bucket": bucket,
        "metric": metric,
        "average": average,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "num_patients": found.num_patients,
        "num_cases": num_cases,
        "num_lesions": num_lesions,
        "num_undefined": num_undefined,
    }
    if isinstance(found, Difference):
        row |= {
            "p_value": found.p_value,
            "num_differing": np.nan if np.isnan(found.smallest_p) else found.num_differing,
            "smallest_p": found.smallest_p,
            "deviation": found.deviation,
        }
    return row
