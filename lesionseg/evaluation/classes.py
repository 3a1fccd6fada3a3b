"""Masks of several lesion classes: each scored as one class is, then all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.case import CaseScores, score_masks
from lesionseg.evaluation.matching import Assignment, Matched, Overlaps
from lesionseg.evaluation.scored_case import ScoredCase
from lesionseg.evaluation.sparse_lesions import Frame, Lesions
from lesionseg.evaluation.surfaces import surface_voxels

Ids = NDArray[Any] | Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ClassMasks:
    """One class in both masks. reference, prediction: (X, Y, Z), where it is, or with `..._ids` the
    ids of its lesions, which no other class has (None: as `evaluate_case` tells them apart).
    scores: by predicted id."""

    name: str
    reference: NDArray[Any]
    prediction: NDArray[Any]
    reference_ids: bool | None = False
    prediction_ids: bool | None = False
    scores: Mapping[int, float] | None = None


def evaluate_classes(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing: Sequence[float],
    classes: Mapping[str, int | Sequence[int]],
    *,
    reference_ids: Ids | None = None,
    prediction_ids: Ids | None = None,
    scores: Mapping[int, float] | None = None,
    **options: Any,
) -> dict[str, CaseScores]:
    """Score masks of several lesion classes, each class as `evaluate_case` scores one.

    reference, prediction: (X, Y, Z) class values on one grid. spacing: voxel size in mm. classes:
    name -> the value or values that mean it, in both masks; a value of several is of regions inside
    one another. reference_ids, prediction_ids: (X, Y, Z) lesion ids, no id in two classes, or for
    regions such an array by name; by default lesions are components within a class, so that lesions
    of two classes that touch are two, numbered on from class to class. scores: by predicted id.
    options: those of `evaluate_case`, which also says what is raised; ValueError too for ids of
    regions that are not given by name, and for a class of background or of nothing.
    """
    values_of = {name: tuple(np.atleast_1d(values).tolist()) for name, values in classes.items()}
    for name, values in values_of.items():
        if not values or min(values) < 1:
            raise ValueError(f"class {name} has the values {list(values)}; want some, from 1")
    masks = class_masks(
        reference,
        prediction,
        values_of,
        reference_ids=reference_ids,
        prediction_ids=prediction_ids,
        scores=scores,
    )
    return {name: CaseScores.of(case) for name, case in score_classes(masks, spacing, **options)}


def class_masks(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    values: Mapping[str, Sequence[int]],
    *,
    reference_ids: Ids | None,
    prediction_ids: Ids | None,
    scores: Mapping[int, float] | None,
) -> Iterator[ClassMasks]:
    """The masks of one class after another; arguments of `evaluate_classes`."""
    every = [value for of_class in values.values() for value in of_class]
    given = (reference_ids, prediction_ids)
    if len(set(every)) < len(every) and any(isinstance(ids, np.ndarray) for ids in given):
        raise ValueError("classes share a value, so they are regions; give their ids by name")
    for name, mine in values.items():
        one, other = (
            _of_class(np.isin(mask, mine), ids, name)
            for mask, ids in zip((reference, prediction), given)
        )
        known = prediction_ids is not None
        yield ClassMasks(
            name, one, other, reference_ids is not None, known, scores if known else None
        )


def _of_class(mask: NDArray[np.bool_], ids: Ids | None, name: str) -> NDArray[Any]:
    if ids is None:
        return mask
    mine: NDArray[Any] = ids[name] if isinstance(ids, Mapping) else ids
    return np.where(mask, mine, 0)


def score_classes(
    masks: Iterable[ClassMasks], spacing: Sequence[float], **options: Any
) -> Iterator[tuple[str, ScoredCase]]:
    """Name and scores of one class after another; components are numbered on from class to class.

    options: those of `score_masks`.
    """
    first_ids = (1, 1)
    for one in masks:
        case = score_masks(
            one.reference,
            one.prediction,
            spacing,
            scores=one.scores,
            reference_instances=one.reference_ids,
            prediction_instances=one.prediction_ids,
            first_ids=first_ids,
            **options,
        )
        yield one.name, case
        first_ids = (
            int(case.matched.reference.ids.max(initial=first_ids[0] - 1)) + 1,
            int(case.matched.prediction.ids.max(initial=first_ids[1] - 1)) + 1,
        )


@dataclass(frozen=True, eq=False)
class ClassesTogether(ScoredCase):
    """All classes of one scan as one case: nothing of one class meets anything of another.

    Their frames stand side by side along the first axis, so coordinates are of no scan. A surface
    is measured to that of its own class, and lies infinitely far where the other mask has none.
    """

    parts: Sequence[ScoredCase] = ()

    @cached_property
    def surfaces(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if len(self.matched.reference) == 0 or len(self.matched.prediction) == 0:
            return None
        found = [part.surfaces or _far(part.matched) for part in self.parts]
        there, back = (np.concatenate(side) for side in zip(*found))
        return there, back


def _far(matched: Matched) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Surface distances where at least one mask is empty."""
    there, back = (
        np.full(len(surface_voxels(lesions, matched.frame)), np.inf)
        for lesions in (matched.reference, matched.prediction)
    )
    return there, back


def classes_together(parts: Sequence[ScoredCase]) -> ClassesTogether:
    """The classes of one scan, at least one, as `score_classes` made them, as one case."""
    frames = [part.matched.frame for part in parts]
    shapes = np.array([frame.shape for frame in frames])
    starts = np.cumsum([0, *shapes[:, 0]])
    frame = Frame((int(starts[-1]), int(shapes[:, 1].max()), int(shapes[:, 2].max())), (0, 0, 0))

    def moved(flat: NDArray[np.int64], part: int) -> NDArray[np.int64]:
        x, y, z = np.unravel_index(flat, frames[part].shape)
        return np.ravel_multi_index((x + starts[part], y, z), frame.shape).astype(np.int64)

    first = parts[0].matched
    matched = Matched(
        reference=_side_by_side([p.matched.reference for p in parts], frame, moved),
        prediction=_side_by_side([p.matched.prediction for p in parts], frame, moved),
        overlaps=_all_overlaps([p.matched for p in parts], moved),
        assignment=_all_assigned([p.matched for p in parts]),
        frame=frame,
        spacing_mm=first.spacing_mm,
        voxel_mm3=first.voxel_mm3,
        num_on_ignored=sum(p.matched.num_on_ignored for p in parts),
    )
    lesions, predictions = (
        pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
        for tables in ([p.lesions for p in parts], [p.predictions for p in parts])
    )
    return ClassesTogether(matched, lesions, predictions, parts[0].num_voxels, tuple(parts))


def _side_by_side(parts: Sequence[Lesions], frame: Frame, moved: Any) -> Lesions:
    starts = _starts(parts)
    flat = np.concatenate([moved(part.flat, i) for i, part in enumerate(parts)])
    mask = np.zeros(frame.shape, dtype=bool)
    mask.reshape(-1)[flat] = True
    return Lesions(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.sizes for part in parts]),
        flat,
        np.concatenate([part.index + start for part, start in zip(parts, starts)]),
        mask,
    )


def _starts(parts: Sequence[Lesions]) -> list[int]:
    """How many lesions stand before those of each part."""
    return [0, *np.cumsum([len(part) for part in parts]).tolist()]


def _all_overlaps(parts: Sequence[Matched], moved: Any) -> Overlaps:
    references = _starts([part.reference for part in parts])
    predictions = _starts([part.prediction for part in parts])
    every = [part.overlaps for part in parts]
    return Overlaps(
        np.concatenate([one.reference + n for one, n in zip(every, references)]),
        np.concatenate([one.prediction + n for one, n in zip(every, predictions)]),
        np.concatenate([one.voxels for one in every]),
        np.concatenate([one.iou for one in every]),
        np.concatenate([moved(one.shared_flat, i) for i, one in enumerate(every)]),
        np.concatenate([one.shared_reference + n for one, n in zip(every, references)]),
    )


def _all_assigned(parts: Sequence[Matched]) -> Assignment:
    starts = _starts([part.reference for part in parts])
    every = [part.assignment for part in parts]
    return Assignment(
        np.concatenate(
            [np.where(a.reference < 0, -1, a.reference + n) for a, n in zip(every, starts)]
        ),
        np.concatenate([a.overlap for a in every]),
        np.concatenate([a.assigned_overlap for a in every]),
        np.concatenate([a.assigned_size for a in every]),
    )
