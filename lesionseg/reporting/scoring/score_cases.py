"""Score every case with every model, on all cores. Workers return tables, never volumes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.components import label_components, peak_scores
from lesionseg.errors import CaseError
from lesionseg.evaluation import Candidates, evaluate_case, match_candidates
from lesionseg.reporting.scoring.masks import (
    read_candidates,
    read_prediction,
    read_probability,
    read_reference,
)
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.storage.process_pool import case_pool, for_each_case
from lesionseg.structures import Volume

MANY_PIECES = 3  # instances fall into a few pieces at most, classes into many


@dataclass(frozen=True, eq=False)
class Scored:
    """The tables of all cases and models, as `evaluation.summary` takes them.

    candidates: by model, then case; only where a folder holds scored candidates.
    rejected: (model or "", case, one-line reason). notes: what was done to make grids agree.
    """

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    cases: pd.DataFrame
    candidates: Mapping[str, Mapping[str, Candidates]]
    rejected: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _One:
    """The result of one worker for one case."""

    tables: list[tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]]
    candidates: dict[str, Candidates]
    rejected: list[tuple[str, str, str]]
    notes: list[str]


def score_cases(
    cases: Sequence[ReportCase], options: ScoringOptions, *, workers: int | None = None
) -> Scored:
    """Score all cases; a bad one is rejected with its reason and the others go on.

    workers: processes, all available cores by default.
    """
    by_name = {case.case: case for case in cases}
    with case_pool(workers, num_tasks=len(cases)) as pool:
        scored, _ = for_each_case(
            pool, partial(_score_case, options=options), by_name, title="scoring"
        )
    found = [scored[case] for case in by_name]
    tables = [table for one in found for table in one.tables]
    candidates: dict[str, dict[str, Candidates]] = {}
    for case, one in zip(cases, found):
        for model, matched in one.candidates.items():
            candidates.setdefault(model, {})[case.case] = matched
    return Scored(
        lesions=_stack([lesions for lesions, _, _ in tables]),
        predictions=_stack([predictions for _, predictions, _ in tables]),
        cases=pd.DataFrame([figures for _, _, figures in tables]),
        candidates=candidates,
        rejected=tuple(r for one in found for r in one.rejected),
        notes=tuple(n for one in found for n in one.notes),
    )


def _score_case(case: ReportCase, options: ScoringOptions) -> _One:
    one = _One([], {}, [], [])
    try:
        reference = read_reference(case, options)
    except CaseError as error:
        one.rejected.append(("", case.case, error.problem))
        return one
    one.notes.extend(f"reference of {case.case}: {note}" for note in reference.notes)
    one.notes.extend(_semantic_note(reference.array, case.case, "reference"))
    for model, files in case.predictions.items():
        try:
            _score_model(one, case, reference, model, files, options)
        except CaseError as error:
            one.rejected.append((model, case.case, error.problem))
    return one


def _score_model(
    one: _One,
    case: ReportCase,
    reference: Volume,
    model: str,
    files: PredictionFiles,
    options: ScoringOptions,
) -> None:
    found = read_prediction(files, reference, case.case, model, options)
    prediction, instances = found.array, found.instances
    one.notes.extend(found.notes)
    if instances is None:
        one.notes.extend(_semantic_note(prediction, case.case, f"prediction of {model}"))
    scores = read_scores(files.lesions, case.case) if files.lesions and files.instances else None
    probability = None
    if files.probability is not None:
        probability = read_probability(files.probability, reference, case.case, model, options)
    if scores is None and probability is not None:
        if instances is None and len(np.unique(prediction)) <= 2:
            prediction, instances = label_components(prediction, options.connectivity), True
        scores = peak_scores(prediction, probability)
    spacing = geometry.spacing(reference.affine)
    result = evaluate_case(
        reference.array,
        prediction,
        spacing,
        scores=scores,
        edges_mm=options.edges_mm,
        connectivity=options.connectivity,
        affine=reference.affine,
        found_iou=options.found_iou,
        prediction_instances=instances,
    )
    key = {"model": model, "case": case.case, "patient": case.patient}
    one.tables.append(
        (_named(result.lesions, key), _named(result.predictions, key), key | result.case)
    )
    ids, by_id = _candidates(files, reference, case.case, model, options, probability)
    if ids is not None:
        one.candidates[model] = match_candidates(
            reference.array,
            ids,
            by_id,
            spacing,
            connectivity=options.connectivity,
            voxel_mm3=geometry.voxel_volume(reference.affine),
        )


def _semantic_note(mask: NDArray[Any], case: str, role: str) -> list[str]:
    """A warning where values taken as lesion ids look like the labels of tissue classes."""
    ids = np.unique(mask[mask != 0])
    if len(ids) < 2:
        return []
    pieces = int(label_components(mask).max(initial=0))
    if pieces < MANY_PIECES * len(ids):
        return []
    values = ", ".join(map(str, ids[:4])) + (" ..." if len(ids) > 4 else "")
    return [
        f"{role} of {case} has the values {values} in {pieces} pieces; they are read as {len(ids)} "
        "lesions: if they are classes, choose those that are lesion with labels=[...]"
    ]


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

    Raises CaseError where the table lacks a column or a number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {int(row["id"]): float(row["score"]) for row in csv.DictReader(file)}
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise CaseError(case, f"{path.name}: want numeric columns id and score") from error


def _named(table: pd.DataFrame, key: Mapping[str, str]) -> pd.DataFrame:
    named = pd.DataFrame({name: [value] * len(table) for name, value in key.items()}, dtype=object)
    return pd.concat([named, table.reset_index(drop=True)], axis=1)


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    full = [table for table in tables if len(table)] or list(tables[:1])
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame()
