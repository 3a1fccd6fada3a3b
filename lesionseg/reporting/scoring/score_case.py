"""Score one case with every model: what a worker process returns are tables, never volumes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.components import label_components, peak_scores
from lesionseg.errors import CaseError
from lesionseg.evaluation import Candidates, evaluate_case, match_candidates
from lesionseg.reporting.scoring.class_labels import MaskValues, look_at_values
from lesionseg.reporting.scoring.masks import (
    ScoredMask,
    out_of_view_note,
    prediction_values,
    read_candidates,
    read_prediction,
    read_probability,
    read_reference,
    reference_values,
    refuse_beyond_scoring,
)
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.settings.report import LEAVE_OUT
from lesionseg.storage.csv_table import read_rows
from lesionseg.structures import Volume


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What was found of one case; its lists grow while the models are scored one by one.

    tables: by model lesions, predictions and figures. rejected: (model or "", case, reason).
    looks: at masks whose values are taken for lesion ids. edited: models whose mask was changed
    since it was written. as_empty: models without a prediction, scored as an empty mask.
    labelled: by folder, whether its mask holds any of the labels asked for, and if not, what.
    """

    tables: list[tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]] = field(default_factory=list)
    candidates: dict[str, Candidates] = field(default_factory=dict)
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
            f"{_listed(options.labels or ())}: it is scored as without lesions"
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
    reference: Volume,
    model: str,
    files: PredictionFiles,
    options: ScoringOptions,
) -> None:
    found = read_prediction(files, reference, case.case, model, options)
    prediction, instances = found.array, found.instances
    scores = read_scores(files.lesions, case.case) if files.lesions and files.instances else None
    probability = read_probability(files, reference, case.case, model, options)
    if scores is None and probability is not None:
        if instances is None and len(np.unique(prediction)) <= 2:
            prediction, instances = label_components(prediction, options.connectivity), True
        scores = peak_scores(prediction, probability)
    ids: NDArray[Any] | None = None
    is_edited = found.is_edited
    if not is_edited:
        ids, by_id = _candidates(files, reference, case.case, model, options, probability)
        beyond = ids is not None and bool(((prediction != 0) & (ids == 0)).any())
        is_edited = beyond and files.candidates is not None and files.instances is None
    _evaluate(
        result, case, reference, model, ScoredMask(prediction, instances, ()), scores, options
    )
    result.notes.extend(found.notes)
    if note := out_of_view_note(files, reference, case.case, model, options):
        result.notes.append(note)
    if is_edited:
        result.edited.append(model)
    if found.instances is None:
        has_lesion = bool(found.array.any())
        others = (
            ()
            if options.labels is None or has_lesion
            else prediction_values(files, reference, case.case, model, options)
        )
        result.labelled[f"predictions.{model}"] = has_lesion, others
        role = f"prediction of {model}"
        _look(result, found.array, reference, case.case, role, f"predictions.{model}", options)
    if ids is not None and not is_edited:
        result.candidates[model] = match_candidates(
            reference.array,
            ids,
            by_id,
            geometry.spacing(reference.affine),
            connectivity=options.connectivity,
            voxel_mm3=geometry.voxel_volume(reference.affine),
        )


def _score_as_empty(
    result: CaseResult, case: ReportCase, reference: Volume, model: str, options: ScoringOptions
) -> None:
    nothing = np.zeros(reference.array.shape, np.int32)
    _evaluate(result, case, reference, model, ScoredMask(nothing, True, ()), None, options)
    result.as_empty.append(model)
    result.candidates[model] = match_candidates(
        reference.array,
        nothing,
        {},
        geometry.spacing(reference.affine),
        connectivity=options.connectivity,
        voxel_mm3=geometry.voxel_volume(reference.affine),
    )


def _evaluate(
    result: CaseResult,
    case: ReportCase,
    reference: Volume,
    model: str,
    mask: ScoredMask,
    scores: Mapping[int, float] | None,
    options: ScoringOptions,
) -> None:
    refuse_beyond_scoring(reference.array, mask.array, case.case)
    scored = evaluate_case(
        reference.array,
        mask.array,
        geometry.spacing(reference.affine),
        scores=scores,
        edges_mm=options.edges_mm,
        connectivity=options.connectivity,
        affine=reference.affine,
        found_iou=options.found_iou,
        prediction_instances=mask.instances,
    )
    key = {"model": model, "case": case.case, "patient": case.patient}
    scored_files = {
        "reference_file": case.reference.name,
        "prediction_file": case.predictions[model].mask.name if model in case.predictions else "",
    }
    tables = _named(scored.lesions, key), _named(scored.predictions, key)
    result.tables.append((*tables, key | scored_files | scored.case))


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


def _candidates(
    files: PredictionFiles,
    reference: Volume,
    case: str,
    model: str,
    options: ScoringOptions,
    probability: NDArray[Any] | None,
) -> tuple[NDArray[Any] | None, dict[int, float]]:
    """Ids of all candidates with their scores, from files or from the probabilities."""
    if files.candidates and files.candidate_table:
        ids = read_candidates(files.candidates, reference, case, model, options)
        scores = read_scores(files.candidate_table, case)
        missing = set(np.unique(ids[ids > 0]).tolist()) - set(scores)
        if missing:
            raise CaseError(
                case, f"candidates of {model}: id {min(missing)} has no score in its table"
            )
        return ids, scores
    if probability is None:
        return None, {}
    ids = label_components(probability >= options.candidate_threshold, options.connectivity)
    return ids, peak_scores(ids, probability)


def read_scores(path: Path, case: str) -> dict[int, float]:
    """Score by lesion id from a table with columns id and score.

    Raises CaseError where the table lacks a column or a number, or a score is not finite.
    """
    try:
        scores = {int(row["id"]): float(row["score"]) for row in read_rows(path)}
    except (KeyError, ValueError, OSError) as error:
        raise CaseError(case, f"{path.name}: want numeric columns id and score") from error
    for lesion, score in scores.items():
        if not math.isfinite(score):
            raise CaseError(
                case, f"{path.name}: lesion {lesion} has score {score}; want a finite number"
            )
    return scores


def _named(table: pd.DataFrame, key: Mapping[str, str]) -> pd.DataFrame:
    named = pd.DataFrame({name: [value] * len(table) for name, value in key.items()}, dtype=object)
    return pd.concat([named, table.reset_index(drop=True)], axis=1)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
