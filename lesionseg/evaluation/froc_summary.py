"""FROC and average precision of a cohort, with intervals over patients, as summary rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.calibration import calibration_error_draws
from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.froc import (
    FROC_TARGETS,
    SLACK,
    Events,
    average_precision_draws,
    ends_of_runs,
    operating_curve,
    score_events,
)
from lesionseg.evaluation.statistics import DRAWS, bootstrap_weights, percentile_interval
from lesionseg.evaluation.summary import COLUMNS, POOLED
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

AP_IOUS = {"ap_iou10": 0.1, "ap_iou50": 0.5}
SHOWN_FP_PER_SCAN = 2 * FROC_TARGETS[-1]  # how far curves are kept
CHUNK = 100  # draws at a time, so that memory stays small


def froc_metric(fp_per_scan: float) -> str:
    """Name of the row that holds the recall at a rate: "froc_recall@0.5"."""
    return f"froc_recall@{fp_per_scan:g}"


def summarise_candidates(
    candidates: Mapping[str, Mapping[str, Candidates]],
    patients: Mapping[str, str],
    buckets: SizeBuckets,
    *,
    found_iou: float = FOUND_IOU,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows for the summary table, and the curves.

    candidates: by model, then case. patients: by case. The rows are the recall at FROC_TARGETS
    false positives a scan by bucket, average precision and the calibration error, and for two
    models that share all cases their differences. Differences over scores have intervals and no
    p-value: swapping scans between models would mix two scales of score. Columns of the curves:
    model, bucket, threshold, fp_per_scan, recall.
    """
    rows: list[dict[str, Any]] = []
    curves = []
    drawn: dict[str, dict[str, NDArray[np.float64]]] = {}
    whole: dict[str, dict[str, NDArray[np.float64]]] = {}  # the value, then its draws, by metric
    for model, unordered in candidates.items():
        by_case = dict(sorted(unordered.items()))  # models are compared draw by draw
        scans = list(by_case.values())
        who = pd.factorize(np.array([patients[case] for case in by_case], dtype=object))[0]
        weights = bootstrap_weights(int(who.max(initial=-1)) + 1, draws=draws, seed=seed)[:, who]
        drawn[model] = {}
        for bucket in (*buckets.names, ALL_SIZES):
            limits = buckets.volume_range_mm3(bucket)
            events = score_events(scans, found_iou=found_iou, volume_range_mm3=limits)
            spread = recall_draws(events, weights, FROC_TARGETS)
            value = recall_draws(events, np.ones((1, len(scans))), FROC_TARGETS)[0]
            drawn[model][bucket] = np.vstack([value, spread])
            common = _numbers(who, events.num_reference)
            for i, target in enumerate(FROC_TARGETS):
                interval = percentile_interval(spread[:, i])
                rows.append(
                    _row(model, "", bucket, froc_metric(target), value[i], interval, common)
                )
            curve = operating_curve(scans, found_iou=found_iou, volume_range_mm3=limits)
            shown = curve.fp_per_scan <= SHOWN_FP_PER_SCAN
            curves.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "bucket": bucket,
                        "threshold": curve.threshold[shown],
                        "fp_per_scan": curve.fp_per_scan[shown],
                        "recall": curve.recall[shown],
                    }
                )
            )
        common = _numbers(who, np.array([len(s.reference_ids) for s in scans]))
        once = np.ones((1, len(scans)))
        whole[model] = {
            name: np.append(
                average_precision_draws(scans, iou, once),
                average_precision_draws(scans, iou, weights),
            )
            for name, iou in AP_IOUS.items()
        }
        whole[model]["calibration_error"] = np.append(
            calibration_error_draws(scans, once), calibration_error_draws(scans, weights)
        )
        for name, values in whole[model].items():
            interval = percentile_interval(values[1:])
            rows.append(_row(model, "", ALL_SIZES, name, values[0], interval, common))
    for first, second in itertools.combinations(candidates, 2):
        if set(candidates[first]) == set(candidates[second]):
            rows += _differences(first, second, drawn, rows)
            for name, values in whole[first].items():
                change = values - whole[second][name]
                interval = percentile_interval(change[1:])
                numbers = _numbers_of(rows, first, ALL_SIZES, name)
                rows.append(_row(first, second, ALL_SIZES, name, change[0], interval, numbers))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table, pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()


def recall_draws(
    events: Events, weights: NDArray[np.float64], targets: Sequence[float]
) -> NDArray[np.float64]:
    """Recall at each target rate of false positives a scan, (draws, targets).

    weights: (draws, scans), how often each scan counts. Read as in `froc.recall_at`: at the last
    threshold whose false positives a scan do not exceed the target.
    """
    ends = np.flatnonzero(ends_of_runs(events.score))
    found = np.zeros((len(weights), len(targets)))
    for start in range(0, len(weights), CHUNK):
        part = weights[start : start + CHUNK]
        by_event = part[:, events.scan]
        scans = part.sum(axis=1, keepdims=True)
        false_positives = np.cumsum(by_event * events.false_positive, axis=1)[:, ends] / scans
        hits = np.cumsum(by_event * events.found, axis=1)[:, ends]
        hits = np.pad(hits, ((0, 0), (1, 0)))
        for i, target in enumerate(targets):
            at = (false_positives <= target * (1 + SLACK)).sum(axis=1)
            found[start : start + CHUNK, i] = hits[np.arange(len(part)), at]
    total = weights @ events.num_reference
    known = total > 0
    return np.where(known[:, None], found / np.where(known, total, 1.0)[:, None], np.nan)


def _differences(
    first: str,
    second: str,
    drawn: Mapping[str, Mapping[str, NDArray[np.float64]]],
    rows: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    found = []
    for bucket, values in drawn[first].items():
        change = values - drawn[second][bucket]
        for i, target in enumerate(FROC_TARGETS):
            metric = froc_metric(target)
            common = _numbers_of(rows, first, bucket, metric)
            interval = percentile_interval(change[1:, i])
            found.append(_row(first, second, bucket, metric, change[0, i], interval, common))
    return found


def _numbers_of(
    rows: Sequence[Mapping[str, Any]], model: str, bucket: str, metric: str
) -> dict[str, int]:
    (row,) = [
        r
        for r in rows
        if (r["model"], r["minus"], r["bucket"], r["metric"]) == (model, "", bucket, metric)
    ]
    return {key: row[key] for key in COLUMNS if key.startswith("num_")}


def _numbers(who: NDArray[np.int64], num_reference: NDArray[np.int64]) -> dict[str, int]:
    return {
        "num_patients": len(set(who[num_reference > 0].tolist())),
        "num_cases": len(who),
        "num_lesions": int(num_reference.sum()),
        "num_undefined": 0,
    }


def _row(
    model: str,
    minus: str,
    bucket: str,
    metric: str,
    value: float,
    interval: tuple[float, float],
    numbers: Mapping[str, int],
) -> dict[str, Any]:
    return {
        "model": model,
        "minus": minus,
        "bucket": bucket,
        "metric": metric,
        "average": POOLED,
        "value": float(value),
        "low": interval[0],
        "high": interval[1],
        "p_value": np.nan,
        **numbers,
    }
