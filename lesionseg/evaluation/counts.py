"""Sums per case and bucket, from which every rate by size is made as a ratio.

Tables of several cases carry the columns model, case and patient before those of one case.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesionseg.evaluation.matching import ONE_TO_ONE
from lesionseg.evaluation.metric import Metric
from lesionseg.evaluation.metrics import METRICS
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

KEY = ["model", "case", "patient", "bucket"]


def count_by_bucket(
    lesions: pd.DataFrame, predictions: pd.DataFrame, cases: pd.DataFrame, buckets: SizeBuckets
) -> pd.DataFrame:
    """One row per model, case and bucket, and per model and case for all sizes.

    Columns: scans (1), lesions, found, touched, the sum over lesions of every metric of lesions,
    false_positives by their own volume, so too touching, the predictions assigned to a lesion that
    is not found, and for each one-to-one IoU its pairs and their sum by the lesion's bucket and the
    unpaired predictions by their own.
    Cases without lesions have rows too.
    """
    reference = lesions[lesions["kind"] == "reference"]
    false_positives = lesions[lesions["kind"] == "false_positive"]
    of_lesions = [metric.key for metric in METRICS.values() if metric.of_lesions is not None]
    touched = reference["prediction_ids"].astype(str) != ""
    parts = [
        _sums(
            reference.assign(touched=touched, lesions=1),
            {name: name for name in ("lesions", "found", "touched", *of_lesions)},
        ),
        _sums(false_positives.assign(false_positives=1), {"false_positives": "false_positives"}),
    ]
    not_found = reference.loc[~reference["found"].astype(bool), ["model", "case", "lesion_id"]]
    touching = predictions.merge(not_found, on=["model", "case", "lesion_id"])
    parts.append(_sums(touching.assign(touching=1), {"touching": "touching"}))
    bucket_of = reference[["model", "case", "lesion_id", "bucket"]].rename(
        columns={"bucket": "paired_bucket"}
    )
    for name in ONE_TO_ONE:
        paired = predictions[predictions[f"match_{name}"] > 0].merge(
            bucket_of,
            left_on=["model", "case", f"match_{name}"],
            right_on=["model", "case", "lesion_id"],
        )
        paired = paired.assign(bucket=paired["paired_bucket"], pairs=1)
        parts.append(_sums(paired, {f"{name}_pairs": "pairs", f"{name}_sum": name}))
        unpaired = predictions[predictions[f"match_{name}"] == 0].assign(unpaired=1)
        parts.append(_sums(unpaired, {f"{name}_unpaired": "unpaired"}))
    who = cases[["model", "case", "patient"]].drop_duplicates()
    frame = who.merge(pd.DataFrame({"bucket": buckets.names}), how="cross").set_index(KEY)
    table = pd.concat([frame, *parts], axis=1).reindex(frame.index).astype(float).fillna(0.0)
    whole = table.groupby(KEY[:3], sort=False).sum().assign(bucket=ALL_SIZES)
    whole = whole.set_index("bucket", append=True)
    return pd.concat([table, whole]).assign(scans=1.0).reset_index()


def ratio_parts(counts: pd.DataFrame, metric: Metric) -> tuple[pd.Series, pd.Series]:
    """Numerator and denominator of a metric that is a ratio, one value per row of `counts`."""
    return _weigh(counts, metric.numerator), _weigh(counts, metric.denominator)


def imbalance(lesions: pd.DataFrame, cases: pd.DataFrame, buckets: SizeBuckets) -> pd.DataFrame:
    """Share of reference lesions, of their voxels and of all voxels, by bucket.

    One row per bucket, then "background", whose share of all voxels is the rest. Each case counts
    once, whatever the number of models.
    """
    first = cases.drop_duplicates("case")[["model", "case", "voxel_mm3", "num_voxels"]]
    reference = lesions[lesions["kind"] == "reference"].merge(first, on=["model", "case"])
    voxels = reference["volume_mm3"] / reference["voxel_mm3"]
    by_bucket = voxels.groupby(reference["bucket"])
    names = list(buckets.names)
    num_lesions = by_bucket.size().reindex(names, fill_value=0).to_numpy(float)
    num_voxels = by_bucket.sum().reindex(names, fill_value=0).to_numpy(float)
    total = max(float(first["num_voxels"].sum()), 1.0)
    with np.errstate(invalid="ignore"):
        table = pd.DataFrame(
            {
                "bucket": names,
                "num_lesions": num_lesions,
                "num_voxels": num_voxels,
                "share_lesions": num_lesions / num_lesions.sum(),
                "share_lesion_voxels": num_voxels / num_voxels.sum(),
                "share_voxels": num_voxels / total,
            }
        )
    rest = total - num_voxels.sum()
    table.loc[len(table)] = ["background", 0.0, rest, 0.0, 0.0, rest / total]
    return table.astype({"num_lesions": int, "num_voxels": int})


def _sums(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Sum of columns by KEY, named by the mapping's keys."""
    summed = table.groupby(KEY, sort=False)[list(columns.values())].sum()
    return summed.rename(columns={old: new for new, old in columns.items()})


def _weigh(counts: pd.DataFrame, weights: Mapping[str, float]) -> pd.Series:
    return sum((counts[c] * w for c, w in weights.items()), start=pd.Series(0.0, counts.index))
