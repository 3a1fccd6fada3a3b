"""Agreement between raters by lesion size: a ceiling for models."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation import SizeBuckets, evaluate_case
from lesionseg.reporting.scoring.lookup import NOTHING, number, percent
from lesionseg.settings.defaults import EDGES_MM

COLUMNS = ("reference", "rater", "bucket", "lesions", "found", "recall", "dice", "false_positives")


def rater_agreement(
    cases: Iterable[tuple[Mapping[str, NDArray[Any]], Sequence[float]]],
    *,
    edges_mm: Sequence[float] = EDGES_MM,
) -> pd.DataFrame:
    """Each rater scored against each other as a model would be, over all cases.

    cases: of each, rater -> mask (X, Y, Z), binary or lesion ids, and the spacing in mm.
    One row per reference rater, other rater and size bucket of the reference's lesions: lesions,
    those found, recall, mean Dice of all lesions (0 where missed) and the other's false positives
    of that size. A bucket without lesions has recall and Dice NaN. Empty where no case has two
    raters.
    """
    rows = []
    for masks, spacing in cases:
        for reference, rater in itertools.permutations(masks, 2):
            scores = evaluate_case(masks[reference], masks[rater], spacing, edges_mm=edges_mm)
            rows.append(scores.lesions.assign(reference_rater=reference, rater=rater))
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    lesions = pd.concat(rows, ignore_index=True)
    table = []
    for names, pair in lesions.groupby(["reference_rater", "rater"], sort=True):
        for bucket in SizeBuckets.from_edges(edges_mm).names:
            part = pair[pair["bucket"] == bucket]
            true = part[part["kind"] == "reference"]
            num, found = len(true), int(true["found"].sum())
            recall = found / num if num else np.nan
            dice = float(true["lesion_dice"].mean()) if num else np.nan
            table.append((*names, bucket, num, found, recall, dice, len(part) - num))
    return pd.DataFrame(table, columns=list(COLUMNS))


def agreement_rows(table: pd.DataFrame, buckets: SizeBuckets) -> list[tuple[str, ...]]:
    """The table as cells of the page."""
    return [
        (
            str(row["reference"]),
            str(row["rater"]),
            buckets.describe(str(row["bucket"])),
            f"{row['lesions']}",
            f"{percent(row['recall'], 1)} %" if row["lesions"] else NOTHING,
            number(row["dice"]),
            f"{row['false_positives']}",
        )
        for row in table.to_dict("records")
    ]
