"""What is scored of one model and case: a class at a time, its masks and its candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components, peak_scores
from lesionseg.errors import CaseError
from lesionseg.evaluation.classes import ClassMasks
from lesionseg.reporting.scoring.class_numbers import in_class
from lesionseg.reporting.scoring.class_predictions import (
    PredictedClass,
    lesions_of_class,
    predicted_classes,
)
from lesionseg.reporting.scoring.lesion_tables import (
    LesionTable,
    read_lesion_table,
    read_scores,
    says_inside,
)
from lesionseg.reporting.scoring.masks import (
    Reference,
    read_candidates,
    read_prediction,
)
from lesionseg.reporting.scoring.probability_maps import read_probability
from lesionseg.reporting.scoring.records import PredictionFiles, ScoringOptions


@dataclass(frozen=True, eq=False)
class ToScore:
    """One class. candidates: (X, Y, Z) ids of all candidates, None where there are none; scores: by
    their id. is_edited: the mask was changed since its candidates were written. values: of the mask
    as read. notes: what was mended."""

    masks: ClassMasks
    candidates: NDArray[Any] | None
    scores: Mapping[int, float]
    is_edited: bool
    values: NDArray[Any]
    notes: tuple[str, ...]


def classes_to_score(
    files: PredictionFiles, reference: Reference, case: str, model: str, options: ScoringOptions
) -> Iterator[ToScore]:
    """One class of a model's prediction after another. Raises CaseError."""
    if len(options.classes) == 1:
        return iter([_one_class(files, reference, case, model, options)])
    return _several_classes(files, reference, case, model, options)


def reference_of_class(reference: Reference, number: int, options: ScoringOptions) -> NDArray[Any]:
    """Class `number` of a reference, (X, Y, Z), as `ClassMasks` holds it."""
    if len(options.classes) == 1:
        return reference.array
    return in_class(reference.array, number, options.classes)


def _one_class(
    files: PredictionFiles, reference: Reference, case: str, model: str, options: ScoringOptions
) -> ToScore:
    found = read_prediction(files, reference, case, model, options)
    prediction, instances = found.array, found.instances
    scores = read_scores(files.lesions, case) if files.lesions and files.instances else None
    probability = read_probability(files, reference, case, model, options)
    if scores is None and probability is not None:
        if instances is None and len(np.unique(prediction)) <= 2:
            prediction, instances = label_components(prediction, options.connectivity), True
        scores = peak_scores(prediction, probability)
    ids: NDArray[Any] | None = None
    by_id: dict[int, float] = {}
    if not found.is_edited:
        ids, by_id = _candidates(files, reference, case, model, options, probability)
    name = options.classes.names[0]
    return ToScore(
        ClassMasks(name, reference.array, prediction, None, instances, scores),
        ids,
        by_id,
        found.is_edited or _beyond(prediction, ids, files),
        found.array,
        found.notes,
    )


def _candidates(
    files: PredictionFiles,
    reference: Reference,
    case: str,
    model: str,
    options: ScoringOptions,
    probability: NDArray[Any] | None,
) -> tuple[NDArray[Any] | None, dict[int, float]]:
    """Ids of all candidates with their scores, from files or from the probabilities."""
    if files.candidates and files.candidate_table:
        ids = read_candidates(files.candidates, reference, case, model, options)
        scores = read_scores(files.candidate_table, case)
        _refuse_without_score(ids, scores, case, model)
        return ids, scores
    if probability is None:
        return None, {}
    ids = label_components(probability >= options.candidate_threshold, options.connectivity)
    return ids, peak_scores(ids, probability)


def _refuse_without_score(
    ids: NDArray[Any], scores: Mapping[int, float], case: str, model: str
) -> None:
    missing = set(np.unique(ids[ids > 0]).tolist()) - set(scores)
    if missing:
        raise CaseError(case, f"candidates of {model}: id {min(missing)} has no score in its table")


def _beyond(prediction: NDArray[Any], ids: NDArray[Any] | None, files: PredictionFiles) -> bool:
    """Whether a mask without lesion ids goes beyond the candidates that were written with it."""
    if ids is None or files.candidates is None or files.instances is not None:
        return False
    return bool(((prediction != 0) & (ids == 0)).any())


def _several_classes(
    files: PredictionFiles, reference: Reference, case: str, model: str, options: ScoringOptions
) -> Iterator[ToScore]:
    every: tuple[NDArray[Any], LesionTable] | None = None
    unnested: tuple[str, ...] = ()
    if files.candidates and options.classes.regions and not says_inside(files.candidate_table):
        unnested = (
            f"the candidates of {model} do not say which lies inside which (column inside): they "
            "give regions no curve over scores",
        )
    elif files.candidates and files.candidate_table:
        table = read_lesion_table(files.candidate_table, case, options.classes)
        ids = read_candidates(files.candidates, reference, case, model, options)
        _refuse_without_score(ids, table.scores, case, model)
        every = ids, table
    last = {"lesions": 0, "candidates": 0}  # ids are numbered on from class to class
    for found in predicted_classes(files, reference, case, model, options):
        one = options.classes.classes[found.number - 1]
        probability = read_probability(files, reference, case, model, options, one)
        prediction, scores = found.array, found.scores
        if not found.has_ids and probability is not None:
            prediction = _numbered_on(prediction, last, "lesions", options)
            scores = peak_scores(prediction, probability)
        candidates, by_id = _of_class(every, probability, found, last, options)
        yield ToScore(
            ClassMasks(
                one.name,
                reference_of_class(reference, found.number, options),
                prediction,
                False,
                found.has_ids or scores is not None,
                scores,
            ),
            candidates,
            by_id,
            found.is_edited or _beyond(prediction, candidates, files),
            found.array,
            (*found.notes, *unnested) if found.number == 1 else found.notes,
        )


def _of_class(
    every: tuple[NDArray[Any], LesionTable] | None,
    probability: NDArray[Any] | None,
    found: PredictedClass,
    last: dict[str, int],
    options: ScoringOptions,
) -> tuple[NDArray[Any] | None, Mapping[int, float]]:
    """The candidates of one class: `every` one of it, else those of its probabilities."""
    if found.is_edited:
        return None, {}
    if every is not None:
        return lesions_of_class(*every, found.number), every[1].scores
    if probability is None:
        return None, {}
    ids = _numbered_on(probability >= options.candidate_threshold, last, "candidates", options)
    return ids, peak_scores(ids, probability)


def _numbered_on(
    mask: NDArray[Any], last: dict[str, int], kind: str, options: ScoringOptions
) -> NDArray[np.int32]:
    ids = label_components(mask, options.connectivity)
    ids[ids > 0] += last[kind]
    last[kind] = max(last[kind], int(ids.max(initial=0)))
    return ids
