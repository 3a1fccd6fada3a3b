"""Sums per case and bucket, from which every rate by size is a ratio.

Tables of several cases carry the columns model, case and patient before those of one case.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesionseg.evaluation.lesion_rows import ONE_TO_ONE
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

KEY = ["model", "case", "patient", "bucket"]

# rate -> what is summed, and over what, as weights on the columns of `count_by_bucket`
RATES: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "recall": ({"found": 1}, {"lesions": 1}),
    "recall_any_overlap": ({"touched": 1}, {"lesions": 1}),
    "precision": ({"found": 1}, {"found": 1, "false_positives": 1}),
    "f1": ({"found": 2}, {"found": 1, "lesions": 1, "false_positives": 1}),
    "lesion_dice": ({"lesion_dice": 1}, {"lesions": 1}),
    "region_dice": ({"region_dice": 1}, {"lesions": 1}),
    "fp_per_scan": ({"false_positives": 1}, {"scans": 1}),
    "half_voxel_dice": ({"half_voxel_dice": 1}, {"lesions": 1}),
} | {
    f"{rate}_{name}": parts
    for name in ONE_TO_ONE
    for rate, parts in {
        "pq": ({f"{name}_sum": 2}, {"lesions": 1, f"{name}_pairs": 1, f"{name}_unpaired": 1}),
        "sq": ({f"{name}_sum": 1}, {f"{name}_pairs": 1}),
        "rq": ({f"{name}_pairs": 2}, {"lesions": 1, f"{name}_pairs": 1, f"{name}_unpaired": 1}),
    }.items()
}


def count_by_bucket(
    lesions: pd.DataFrame, predictions: pd.DataFrame, cases: pd.DataFrame, buckets: SizeBuckets
) -> pd.DataFrame:
    """One row per model, case and bucket, and per model and case for all sizes.

    Columns: scans (1), lesions, found, touched, the sums of lesion_dice, region_dice and
    half_voxel_dice over lesions, false_positives by their own volume, and for each one-to-one IoU
    its pairs and their sum by the lesion's bucket and the unpaired predictions by their own.
    Cases without lesions have rows too.
    """
    reference = lesions[lesions["kind"] == "reference"]
    false_positives = lesions[lesions["kind"] == "false_positive"]
    touched = reference["prediction_ids"].astype(str) != ""
    parts = [
        _sums(
            reference.assign(touched=touched, lesions=1),
            {name: name for name in ("lesions", "found", "touched")}
            | {name: name for name in ("lesion_dice", "region_dice", "half_voxel_dice")},
        ),
        _sums(false_positives.assign(false_positives=1), {"false_positives": "false_positives"}),
    ]
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


def rate_parts(counts: pd.DataFrame, rate: str) -> tuple[pd.Series, pd.Series]:
    """Numerator and denominator of a rate, one value per row of `counts`."""
    top, bottom = RATES[rate]
    return _weigh(counts, top), _weigh(counts, bottom)


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
