"""Score one case with every model: what a worker process returns are tables, never volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.evaluation.candidates import Candidates, join_candidates, match_candidates
from lesionseg.evaluation.case import CaseScores
from lesionseg.evaluation.classes import ClassMasks, classes_together, score_classes
from lesionseg.evaluation.confusion import class_confusion
from lesionseg.evaluation.scored_case import ScoredCase
from lesionseg.reporting.scoring.class_labels import MaskValues, look_at_values
from lesionseg.reporting.scoring.masks import (
    Reference,
    out_of_view_note,
    prediction_values,
    read_reference,
    reference_values,
    refuse_beyond_scoring,
)
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.scoring.to_score import ToScore, classes_to_score, reference_of_class
from lesionseg.settings.defaults import ALL_CLASSES
from lesionseg.settings.report import LEAVE_OUT
from lesionseg.structures import Volume


@dataclass(frozen=True, eq=False)
class ClassTables:
    """Of one model and class. lesions, predictions: None of all classes together, whose rows are
    those of each. figures: of the whole scan."""

    name: str
    lesions: pd.DataFrame | None
    predictions: pd.DataFrame | None
    figures: dict[str, Any]


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What was found of one case; its lists grow while the models are scored one by one.

    tables: by model and class. candidates: by class and model. confusion: of exclusive classes, by
    model, as `evaluation.confusion` counts it. rejected: (model or "", case, reason).
    looks: at masks whose values are taken for lesion ids. edited: models whose mask was changed
    since it was written. as_empty: models without a prediction, scored as an empty mask.
    labelled: by folder, whether its mask holds any of the labels asked for, and if not, what.
    """

    tables: list[ClassTables] = field(default_factory=list)
    candidates: dict[tuple[str, str], Candidates] = field(default_factory=dict)
    confusion: list[pd.DataFrame] = field(default_factory=list)
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    looks: list[MaskValues] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    as_empty: list[str] = field(default_factory=list)
    labelled: dict[str, tuple[bool, tuple[int, ...]]] = field(default_factory=dict)


def score_case(case: ReportCase, options: ScoringOptions, models: Sequence[str]) -> CaseResult:
    """Score a case with the models, in their order; what cannot be read is rejected."""
    result = CaseResult()
    try:
        reference = read_reference(case, options)
        has_lesion = bool(reference.array.any())
        others = () if options.labels is None or has_lesion else reference_values(case, options)
    except CaseError as error:
        result.rejected.append(("", case.case, error.problem))
        return result
    result.labelled["reference"] = has_lesion, others
    result.notes.extend(f"reference of {case.case}: {note}" for note in reference.notes)
    if others:
        result.notes.append(
            f"reference of {case.case} holds {_listed(others)} and none of the labels "
            f"{_listed(options.lesion_values or ())}: it is scored as without lesions"
        )
    _look(result, reference.array, reference, case.case, "reference", "reference", options)
    for model in models:
        try:
            if model in case.predictions:
                _score_model(result, case, reference, model, case.predictions[model], options)
            elif options.missing != LEAVE_OUT:
                _score_as_empty(result, case, reference, model, options)
        except CaseError as error:
            result.rejected.append((model, case.case, error.problem))
    return result


def _score_model(
    result: CaseResult,
    case: ReportCase,
    reference: Reference,
    model: str,
    files: PredictionFiles,
    options: ScoringOptions,
) -> None:
    folder, has_lesion, is_edited = f"predictions.{model}", False, False
    parts: dict[str, ScoredCase] = {}
    found: dict[str, Candidates] = {}
    read: list[ToScore] = []  # the class that is scored now

    def masks() -> Iterator[ClassMasks]:
        for one in classes_to_score(files, reference, case.case, model, options):
            refuse_beyond_scoring(one.masks.reference, one.masks.prediction, case.case)
            read[:] = [one]
            yield one.masks

    for name, scored in score_classes(masks(), **_how(reference, options)):
        (one,) = read
        parts[name] = scored
        if one.candidates is not None:
            found[name] = _matched(
                scored, one.masks, one.candidates, one.scores, reference, options
            )
        has_lesion |= bool(one.masks.prediction.any())
        is_edited |= one.is_edited
        result.notes.extend(one.notes)
        if files.instances is None:
            role = f"prediction of {model}"
            _look(result, one.values, reference, case.case, role, folder, options)
    _add_tables(result, case, model, parts, options)
    if note := out_of_view_note(files, reference, case.case, model, options):
        result.notes.append(note)
    if files.instances is None:
        others: tuple[int, ...] = ()
        if options.labels is not None and not has_lesion:
            others = prediction_values(files, reference, case.case, model, options)
        result.labelled[folder] = has_lesion, others
    if is_edited:
        result.edited.append(model)
    else:
        _add_candidates(result, model, found, options)


def _score_as_empty(
    result: CaseResult, case: ReportCase, reference: Reference, model: str, options: ScoringOptions
) -> None:
    nothing = np.zeros(reference.array.shape, np.int32)
    several = len(options.classes) > 1
    masks = {
        name: ClassMasks(
            name,
            reference_of_class(reference, number, options),
            nothing,
            False if several else None,
            True,
        )
        for number, name in enumerate(options.classes.names, 1)
    }
    parts = dict(score_classes(masks.values(), **_how(reference, options)))
    _add_tables(result, case, model, parts, options)
    result.as_empty.append(model)
    found = {
        name: _matched(parts[name], one, nothing, {}, reference, options)
        for name, one in masks.items()
    }
    _add_candidates(result, model, found, options)


def _how(reference: Reference, options: ScoringOptions) -> dict[str, Any]:
    """The options of `score_classes`."""
    return {
        "spacing": geometry.spacing(reference.affine),
        "edges_mm": options.edges_mm,
        "connectivity": options.connectivity,
        "affine": reference.affine,
        "found_iou": options.found_iou,
        "ignored": reference.ignored,
    }


def _matched(
    scored: ScoredCase,
    masks: ClassMasks,
    ids: NDArray[Any],
    scores: Mapping[int, float],
    reference: Reference,
    options: ScoringOptions,
) -> Candidates:
    """The candidates of the class that was scored, by the same ids of reference lesions."""
    known = scored.matched.reference.ids
    return match_candidates(
        masks.reference,
        ids,
        scores,
        geometry.spacing(reference.affine),
        connectivity=options.connectivity,
        reference_instances=masks.reference_ids,
        voxel_mm3=geometry.voxel_volume(reference.affine),
        ignored=reference.ignored,
        first_id=int(known[0]) if len(known) else 1,
    )


def _add_candidates(
    result: CaseResult, model: str, found: Mapping[str, Candidates], options: ScoringOptions
) -> None:
    """Those of each class, and where all classes have some, of all together."""
    for name, candidates in found.items():
        result.candidates[name, model] = candidates
    if len(found) == len(options.classes) > 1:
        result.candidates[ALL_CLASSES, model] = join_candidates(list(found.values()))


def _add_tables(
    result: CaseResult,
    case: ReportCase,
    model: str,
    parts: Mapping[str, ScoredCase],
    options: ScoringOptions,
) -> None:
    """The tables of each class, and of several the figures of all together."""
    files = {
        "reference_file": case.reference.name,
        "prediction_file": case.predictions[model].mask.name if model in case.predictions else "",
    }
    who = {"model": model, "case": case.case, "patient": case.patient}
    for name, part in parts.items():
        scored, key = CaseScores.of(part), {**who, "class": name}
        tables = _named(scored.lesions, key), _named(scored.predictions, key)
        result.tables.append(ClassTables(name, *tables, key | files | scored.case))
    if len(parts) > 1:
        key = {**who, "class": ALL_CLASSES}
        figures = CaseScores.of(classes_together(list(parts.values()))).case
        result.tables.append(ClassTables(ALL_CLASSES, None, None, key | files | figures))
        if not options.classes.regions:
            result.confusion.append(_named(class_confusion(parts), who))


def _look(
    result: CaseResult,
    mask: NDArray[Any],
    reference: Volume,
    case: str,
    role: str,
    folder: str,
    options: ScoringOptions,
) -> None:
    """Look at the values of a mask that are taken for lesion ids without being said to be."""
    if options.labels is None and not options.instances:
        spacing = geometry.spacing(reference.affine)
        result.looks.append(look_at_values(mask, spacing, folder=folder, role=role, case=case))


def _named(table: pd.DataFrame, key: Mapping[str, str]) -> pd.DataFrame:
    named = pd.DataFrame({name: [value] * len(table) for name, value in key.items()}, dtype=object)
    return pd.concat([named, table.reset_index(drop=True)], axis=1)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
