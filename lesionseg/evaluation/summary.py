"""Averages over cases with intervals, and models compared: one long table that holds every figure.

"pooled" sums over all lesions or scans before dividing; "mean_over_cases" divides in each case and
averages those where that is defined. Both resample patients.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lesionseg.evaluation.buckets import ALL_SIZES, SizeBuckets
from lesionseg.evaluation.counts import RATES, count_by_bucket, rate_parts
from lesionseg.evaluation.statistics import (
    DRAWS,
    bootstrap_median,
    bootstrap_ratio,
    paired_difference,
)

POOLED, MEAN, MEDIAN = "pooled", "mean_over_cases", "median_over_cases"
CASE_MEANS = (
    "dice",
    "nsd_1mm",
    "brats_lesion_dice",
    "absolute_volume_difference_mm3",
    "relative_volume_difference",
)
CASE_MEDIANS = ("hd95_mm",)  # infinite where one mask is empty, so a mean would say nothing
COLUMNS = [
    *("model", "minus", "bucket", "metric", "average", "value", "low", "high", "p_value"),
    *("num_patients", "num_cases", "num_lesions", "num_undefined"),
]


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
    `model` minus that model. num_undefined counts the cases in which the figure is undefined.
    """
    counts = count_by_bucket(lesions, predictions, cases, buckets)
    volume = cases["volume_difference_mm3"].abs()
    cases = cases.assign(absolute_volume_difference_mm3=volume)
    order = [*buckets.names, ALL_SIZES]
    models = list(dict.fromkeys(cases["model"]))
    rows: list[dict[str, Any]] = []
    for model in models:
        mine = counts[counts["model"] == model]
        for bucket in order:
            rows += _rate_rows(mine[mine["bucket"] == bucket], model, bucket, draws, seed)
        rows += _case_rows(cases[cases["model"] == model], model, mine, draws, seed)
    for first, second in itertools.combinations(models, 2):
        rows += _difference_rows(counts, cases, first, second, order, draws, seed)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rate_rows(
    counts: pd.DataFrame, model: str, bucket: str, draws: int, seed: int
) -> Iterator[dict[str, Any]]:
    for rate in RATES:
        for average, top, bottom in _averages(counts, rate):
            estimate = bootstrap_ratio(*_by_patient(counts, top, bottom), draws=draws, seed=seed)
            yield {
                "model": model,
                "minus": "",
                "bucket": bucket,
                "metric": rate,
                "average": average,
                "value": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "p_value": np.nan,
                "num_patients": estimate.num_patients,
                "num_cases": len(counts),
                "num_lesions": int(counts["lesions"].sum()),
                "num_undefined": int((bottom == 0).sum()),
            }


def _case_rows(
    cases: pd.DataFrame, model: str, counts: pd.DataFrame, draws: int, seed: int
) -> Iterator[dict[str, Any]]:
    num_lesions = int(counts.loc[counts["bucket"] == ALL_SIZES, "lesions"].sum())
    for metric in (*CASE_MEANS, *CASE_MEDIANS):
        values = cases[metric]
        if metric in CASE_MEDIANS:
            estimate = bootstrap_median(values, cases["patient"], draws=draws, seed=seed)
        else:
            parts = _by_patient(cases, values.fillna(0), values.notna().astype(float))
            estimate = bootstrap_ratio(*parts, draws=draws, seed=seed)
        yield {
            "model": model,
            "minus": "",
            "bucket": ALL_SIZES,
            "metric": metric,
            "average": MEDIAN if metric in CASE_MEDIANS else MEAN,
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "p_value": np.nan,
            "num_patients": estimate.num_patients,
            "num_cases": len(cases),
            "num_lesions": num_lesions,
            "num_undefined": int(values.isna().sum()),
        }


def _difference_rows(
    counts: pd.DataFrame,
    cases: pd.DataFrame,
    first: str,
    second: str,
    order: list[str],
    draws: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    both = [set(cases.loc[cases["model"] == m, "case"]) for m in (first, second)]
    common = both[0] & both[1]
    for bucket in order:
        a, b = (_rows_of(counts[counts["bucket"] == bucket], m, common) for m in (first, second))
        for rate in RATES:
            if rate == "half_voxel_dice":  # a figure of the reference alone
                continue
            pairs = zip(_averages(a, rate), _averages(b, rate))
            for (average, top_a, bottom_a), (_, top_b, bottom_b) in pairs:
                undefined = int(((bottom_a == 0) | (bottom_b == 0).to_numpy()).sum())
                parts = _by_patient(a, top_a, bottom_a), _by_patient(b, top_b, bottom_b)
                lesions = int(a["lesions"].sum())
                yield _difference_row(
                    (first, second, bucket, rate, average),
                    parts,
                    (len(common), lesions, undefined),
                    (draws, seed),
                )
    a, b = (_rows_of(cases, m, common) for m in (first, second))
    lesions = int(a["num_reference"].sum())
    for metric in CASE_MEANS:
        defined = a[metric].notna() & b[metric].notna().to_numpy()
        shared = defined.astype(float)
        parts = (
            _by_patient(a, a[metric].where(defined, 0.0), shared),
            _by_patient(b, b[metric].where(defined, 0.0), shared),
        )
        yield _difference_row(
            (first, second, ALL_SIZES, metric, MEAN),
            parts,
            (len(common), lesions, int((~defined).sum())),
            (draws, seed),
        )


Parts = tuple[np.ndarray, np.ndarray]


def _difference_row(
    name: tuple[str, str, str, str, str],
    parts: tuple[Parts, Parts],
    numbers: tuple[int, int, int],
    drawing: tuple[int, int],
) -> dict[str, Any]:
    difference = paired_difference(*parts, draws=drawing[0], seed=drawing[1])
    return {
        **dict(zip(("model", "minus", "bucket", "metric", "average"), name)),
        "value": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p_value": difference.p_value,
        "num_patients": difference.num_patients,
        **dict(zip(("num_cases", "num_lesions", "num_undefined"), numbers)),
    }


def _rows_of(table: pd.DataFrame, model: str, cases: set[str]) -> pd.DataFrame:
    mine = table[(table["model"] == model) & table["case"].isin(cases)]
    return mine.sort_values("case").reset_index(drop=True)


def _averages(counts: pd.DataFrame, rate: str) -> list[tuple[str, pd.Series, pd.Series]]:
    """(kind of average, numerator, denominator) with a value per case."""
    top, bottom = rate_parts(counts, rate)
    defined = (bottom > 0).astype(float)
    per_case = (top / bottom.where(bottom > 0, 1.0)) * defined
    return [(POOLED, top, bottom), (MEAN, per_case, defined)]


def _by_patient(table: pd.DataFrame, top: pd.Series, bottom: pd.Series) -> Parts:
    patient = table["patient"]
    return top.groupby(patient).sum().to_numpy(), bottom.groupby(patient).sum().to_numpy()
