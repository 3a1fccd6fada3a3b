"""Agreement between raters by lesion size: a ceiling for models."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation import SizeBuckets, evaluate_case
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.lesion_kinds import IGNORED
from lesionseg.reporting.scoring.lookup import NOTHING, number, percent
from lesionseg.settings.defaults import ALL_CLASSES, EDGES_MM

COLUMNS = (
    "reference",
    "rater",
    "class",
    "bucket",
    "lesions",
    "found",
    "recall",
    "dice",
    "false_positives",
)


def rater_agreement(
    cases: Iterable[tuple[Mapping[str, NDArray[Any]], Sequence[float]]],
    classes: LesionClasses = ONE_CLASS,
    *,
    edges_mm: Sequence[float] = EDGES_MM,
) -> pd.DataFrame:
    """Each rater scored against each other as a model would be, over all cases.

    cases: of each, rater -> class numbers (X, Y, Z), and the spacing in mm; what either of two
    raters ignores counts for neither. One row per reference rater, other rater, class and size
    bucket of the reference's lesions: lesions, those found, recall, mean Dice of all lesions (0
    where missed) and the other's false positives of that size. Of several classes all of them
    together come last: a lesion of another class is not found. A bucket without lesions has recall
    and Dice NaN. Empty where no case has two raters.
    """
    rows = []
    for masks, spacing in cases:
        for reference, rater in itertools.permutations(masks, 2):
            found = _by_class(masks[reference], masks[rater], spacing, classes, edges_mm)
            rows += [
                part.assign(reference_rater=reference, rater=rater, **{"class": name})
                for name, part in found
            ]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    lesions = pd.concat(rows, ignore_index=True)
    names = (*classes.names, *([ALL_CLASSES] if len(classes) > 1 else []))
    table = []
    for raters, pair in lesions.groupby(["reference_rater", "rater"], sort=True):
        for name in names:
            of_class = pair if name == ALL_CLASSES else pair[pair["class"] == name]
            for bucket in SizeBuckets.from_edges(edges_mm).names:
                part = of_class[of_class["bucket"] == bucket]
                table.append((*raters, name, bucket, *_figures(part)))
    return pd.DataFrame(table, columns=list(COLUMNS))


def _by_class(
    reference: NDArray[Any],
    rater: NDArray[Any],
    spacing: Sequence[float],
    classes: LesionClasses,
    edges_mm: Sequence[float],
) -> Iterator[tuple[str, pd.DataFrame]]:
    """A row for each lesion of one class of the reference and for each false positive."""
    ignored = (reference == IGNORED) | (rater == IGNORED)
    for n, name in enumerate(classes.names, 1):
        one, other = (np.isin(mask, classes.within(n)) for mask in (reference, rater))
        yield name, evaluate_case(one, other, spacing, edges_mm=edges_mm, ignored=ignored).lesions


def _figures(part: pd.DataFrame) -> tuple[int, int, float, float, int]:
    true = part[part["kind"] == "reference"]
    num, found = len(true), int(true["found"].sum())
    recall = found / num if num else np.nan
    dice = float(true["lesion_dice"].mean()) if num else np.nan
    return num, found, recall, dice, len(part) - num


def agreement_rows(table: pd.DataFrame, buckets: SizeBuckets) -> list[tuple[str, ...]]:
    """The table as cells of the page."""
    return [
        (
            str(row["reference"]),
            str(row["rater"]),
            str(row["class"]),
            buckets.describe(str(row["bucket"])),
            f"{row['lesions']}",
            f"{percent(row['recall'], 1)} %" if row["lesions"] else NOTHING,
            number(row["dice"]),
            f"{row['false_positives']}",
        )
        for row in table.to_dict("records")
    ]
