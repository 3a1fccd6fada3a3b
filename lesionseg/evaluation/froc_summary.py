"""FROC and average precision of a cohort, with intervals over patients, as summary rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.froc import (
    FROC_TARGETS,
    Events,
    OperatingCurve,
    curve_of,
    ends_of_runs,
    score_events,
)
from lesionseg.evaluation.metric import POOLED
from lesionseg.evaluation.metrics import METRICS, froc_metric
from lesionseg.evaluation.paired import Difference
from lesionseg.evaluation.seeds import SeedSpread, trainings
from lesionseg.evaluation.statistics import (
    DRAWS,
    Estimate,
    bootstrap_weights,
    drawn_share_interval,
    expanded_interval,
)
from lesionseg.evaluation.summary import COLUMNS, summary_row, with_seeds
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.slack import RATIO_SLACK

SHOWN_FP_PER_SCAN = 2 * FROC_TARGETS[-1]  # largest false positives a scan that curves are kept to
Key = tuple[str, str]  # size bucket and metric
CHUNK = 100  # draws at a time, so that memory stays small


def summarise_candidates(
    candidates: Mapping[str, Mapping[str, Candidates]],
    patients: Mapping[str, str],
    buckets: SizeBuckets,
    *,
    model_of: Mapping[str, str] | None = None,
    found_iou: float = FOUND_IOU,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows for the summary table, and the curves.

    candidates: by training, then case. patients: by case. model_of: as in `seeds`. The rows are the
    recall at FROC_TARGETS false positives a scan by bucket, average precision and the calibration
    error, means over seeds, and for two models that share all cases their differences. Differences
    over scores have intervals and no p-value: swapping scans between models would mix two scales of
    score. Columns of the curves, one for each training: model, training, bucket, threshold,
    fp_per_scan, recall.
    """
    rows: list[dict[str, Any]] = []
    curves = []
    drawn: dict[str, dict[Key, NDArray[np.float64]]] = {}
    numbers: dict[str, dict[str, dict[str, int]]] = {}
    for model, mine in trainings(candidates, model_of or {}).items():
        found: list[dict[Key, NDArray[np.float64]]] = []
        for training in mine:
            by_case = dict(sorted(candidates[training].items()))  # models compare draw by draw
            who = pd.factorize(np.array([patients[case] for case in by_case], dtype=object))[0]
            weights = bootstrap_weights(int(who.max(initial=-1)) + 1, draws=draws, seed=seed)
            scans = list(by_case.values())
            own: dict[Key, NDArray[np.float64]] = {}
            numbers[model] = {}
            for bucket in (*buckets.names, ALL_SIZES):
                limits = buckets.volume_range_mm3(bucket)
                events = score_events(scans, found_iou=found_iou, volume_range_mm3=limits)
                own |= _recalls(events, weights[:, who], bucket)
                own |= _whole_scans(scans, weights[:, who], bucket)
                numbers[model][bucket] = _numbers(who, events.num_reference)
                curves.append(_curve_table(curve_of(events), model, training, bucket))
            found.append(own)
        drawn[model] = {key: np.mean([one[key] for one in found], axis=0) for key in found[0]}
        for key, values in drawn[model].items():
            spread = SeedSpread.of([float(one[key][0]) for one in found])
            row = _row(model, "", key, values, numbers[model][key[0]])
            rows.append(with_seeds(row, spread))
    of_model = trainings(candidates, model_of or {})
    for first, second in itertools.combinations(drawn, 2):
        cases = [set(candidates[one]) for m in (first, second) for one in of_model[m]]
        if all(one == cases[0] for one in cases):
            for key, values in drawn[first].items():
                moved = values - drawn[second][key]
                rows.append(_row(first, second, key, moved, numbers[first][key[0]]))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table, pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()


def _recalls(
    events: Events, weights: NDArray[np.float64], bucket: str
) -> dict[Key, NDArray[np.float64]]:
    """The recall at each of FROC_TARGETS: its value, then its draws, (1 + draws,)."""
    value = recall_draws(events, np.ones((1, weights.shape[1])), FROC_TARGETS)
    both = np.vstack([value, recall_draws(events, weights, FROC_TARGETS)])
    return {(bucket, froc_metric(t)): both[:, i] for i, t in enumerate(FROC_TARGETS)}


def _whole_scans(
    scans: Sequence[Candidates], weights: NDArray[np.float64], bucket: str
) -> dict[Key, NDArray[np.float64]]:
    """Every metric over scores, which are of all sizes only: value, then draws, (1 + draws,)."""
    once = np.ones((1, len(scans)))
    return {
        (bucket, metric.key): np.append(
            metric.of_scores(scans, once), metric.of_scores(scans, weights)
        )
        for metric in METRICS.values()
        if metric.of_scores is not None and bucket == ALL_SIZES
    }


def _curve_table(curve: OperatingCurve, model: str, training: str, bucket: str) -> pd.DataFrame:
    shown = curve.fp_per_scan <= SHOWN_FP_PER_SCAN
    return pd.DataFrame(
        {
            "model": model,
            "training": training,
            "bucket": bucket,
            "threshold": curve.threshold[shown],
            "fp_per_scan": curve.fp_per_scan[shown],
            "recall": curve.recall[shown],
        }
    )


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
            at = (false_positives <= target * (1 + RATIO_SLACK)).sum(axis=1)
            found[start : start + CHUNK, i] = hits[np.arange(len(part)), at]
    total = weights @ events.num_reference
    known = total > 0
    return np.where(known[:, None], found / np.where(known, total, 1.0)[:, None], np.nan)


def _numbers(who: NDArray[np.int64], num_reference: NDArray[np.int64]) -> dict[str, int]:
    return {
        "num_patients": len(set(who[num_reference > 0].tolist())),
        "num_cases": len(who),
        "num_lesions": int(num_reference.sum()),
    }


def _row(
    model: str, minus: str, key: Key, values: NDArray[np.float64], numbers: Mapping[str, int]
) -> dict[str, Any]:
    """values: (1 + draws,), the value before its draws."""
    value, number = float(values[0]), numbers["num_patients"]
    if METRICS[key[1]].counts_things and not minus:
        low, high = drawn_share_interval(value, numbers["num_lesions"], values[1:], number)
    else:
        low, high = expanded_interval(values[1:], number)
    found = (
        Difference(value, low, high, np.nan, number)
        if minus
        else Estimate(value, low, high, number)
    )
    return summary_row(
        model,
        minus,
        found,
        bucket=key[0],
        metric=key[1],
        average=POOLED,
        num_cases=numbers["num_cases"],
        num_lesions=numbers["num_lesions"],
    )
