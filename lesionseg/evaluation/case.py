"""All metrics of one case, in one pass: a row per lesion, and the metrics of the whole scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesionseg.evaluation.lesion_rows import lesion_rows, prediction_rows
from lesionseg.evaluation.matching import match_masks
from lesionseg.evaluation.metrics import METRICS
from lesionseg.evaluation.scored_case import ScoredCase
from lesionseg.settings.defaults import CONNECTIVITY, EDGES_MM, FOUND_IOU
from lesionseg.size_buckets import SizeBuckets

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class CaseScores:
    """What `evaluate_case` found.

    lesions: one row per reference lesion, then one per false positive. predictions: one row per
    predicted lesion: its volume, score, reference lesion (0 = false positive) and one-to-one
    partners, from which panoptic quality by bucket is made. case: the metrics of the whole scan.
    """

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    case: dict[str, float]

    @classmethod
    def of(cls, case: ScoredCase) -> CaseScores:
        """All metrics of a matched case."""
        values = {m.key: m.of_case(case) for m in METRICS.values() if m.of_case is not None}
        return cls(case.lesions, case.predictions, values)


def evaluate_case(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing: Sequence[float],
    *,
    scores: Mapping[int, float] | None = None,
    edges_mm: Sequence[float] = EDGES_MM,
    connectivity: int = CONNECTIVITY,
    affine: ArrayLike | None = None,
    found_iou: float = FOUND_IOU,
    reference_instances: bool | None = None,
    prediction_instances: bool | None = None,
    ignored: NDArray[np.bool_] | None = None,
) -> CaseScores:
    """Score a predicted mask against the reference, lesion by lesion.

    reference, prediction: (X, Y, Z) whole numbers or booleans on one grid, binary or lesion ids.
    spacing: voxel size in mm along the three axes. scores: confidence by predicted id; where it is
    given, the prediction's values are ids. edges_mm: ascending diameters between the size buckets.
    connectivity: 6, 18 or 26. affine: (4, 4) to RAS+ mm, for the centroids and, by its determinant,
    the size of a voxel; without it centroids are index times spacing. found_iou: a reference lesion
    is found when its IoU with the union of the predictions assigned to it reaches this; at 0 any
    overlap will do. reference_instances, prediction_instances: whether the mask holds ids; None: it
    does where it has several values besides 0, and is cut into connected components elsewhere.
    ignored: (X, Y, Z) voxels that nobody judged: no lesion of either mask holds them, and predicted
    lesions of which at least half lie there, and that touch no reference lesion, are left out.

    A metric that is undefined is NaN: with both masks empty, Dice, F1, PQ and surface distances;
    with an empty reference, recall; with an empty prediction, precision. With one mask empty, Dice
    and NSD are 0 and HD95 is infinite.

    Raises ValueError for shapes, spacings or ids that cannot be and for a found_iou outside 0 to 1,
    TypeError for masks of fractions.

    >>> mask = np.zeros((8, 8, 8), int)
    >>> mask[1:3, 1:3, 1:3] = 1  # a lesion of 8 voxels, of which 4 are found
    >>> scores = evaluate_case(mask, mask * (np.arange(8) < 2), spacing=(1, 1, 1))
    >>> scores.lesions[["volume_mm3", "bucket", "found", "iou"]].to_dict("records")
    [{'volume_mm3': 8.0, 'bucket': 'tiny', 'found': True, 'iou': 0.5}]
    >>> round(scores.case["dice"], 3)
    0.667
    """
    return CaseScores.of(
        score_masks(
            reference,
            prediction,
            spacing,
            scores=scores,
            edges_mm=edges_mm,
            connectivity=connectivity,
            affine=affine,
            found_iou=found_iou,
            reference_instances=reference_instances,
            prediction_instances=prediction_instances,
            ignored=ignored,
        )
    )


def score_masks(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing: Sequence[float],
    *,
    scores: Mapping[int, float] | None = None,
    edges_mm: Sequence[float] = EDGES_MM,
    connectivity: int = CONNECTIVITY,
    affine: ArrayLike | None = None,
    found_iou: float = FOUND_IOU,
    reference_instances: bool | None = None,
    prediction_instances: bool | None = None,
    ignored: NDArray[np.bool_] | None = None,
    first_ids: tuple[int, int] = (1, 1),
) -> ScoredCase:
    """Match two masks and make their tables; the arguments are those of `evaluate_case`, which
    says what is raised, and the `first_ids` of `match_masks`."""
    if not 0 <= found_iou <= 1:
        raise ValueError(f"found_iou is {found_iou}; it must be from 0 to 1")
    if scores is not None and prediction_instances is None:
        prediction_instances = True
    matched = match_masks(
        reference,
        prediction,
        spacing,
        connectivity=connectivity,
        reference_instances=reference_instances,
        prediction_instances=prediction_instances,
        voxel_mm3=None if affine is None else _voxel_mm3(np.asarray(affine), spacing),
        ignored=ignored,
        first_ids=first_ids,
    )
    buckets = SizeBuckets.from_edges(edges_mm)
    by_lesion = np.array([(scores or {}).get(int(i), NAN) for i in matched.prediction.ids], float)
    to_mm = np.diag([*matched.spacing_mm, 1.0]) if affine is None else np.asarray(affine, float)
    lesions = lesion_rows(matched, buckets, by_lesion, to_mm, found_iou)
    predictions = prediction_rows(matched, buckets, by_lesion, lesions)
    return ScoredCase(matched, lesions, predictions, int(np.asarray(reference).size))


def _voxel_mm3(affine: NDArray[np.float64], spacing: Sequence[float]) -> float:
    columns = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if affine.shape != (4, 4) or not np.allclose(columns, spacing, rtol=1e-3):
        raise ValueError(f"spacing is {spacing}, but the affine's columns are {columns} mm long")
    return float(abs(np.linalg.det(affine[:3, :3])))
