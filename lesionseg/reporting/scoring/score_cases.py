"""Score every case with every model, on all cores, and judge each folder as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from lesionseg.errors import UsageError, printable
from lesionseg.evaluation import Candidates
from lesionseg.reporting.scoring.class_labels import MaskValues, class_notes
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_case import CaseResult, score_case
from lesionseg.storage.process_pool import case_pool, for_each_case


@dataclass(frozen=True, eq=False)
class Scored:
    """The tables of all cases and models, as `evaluation.summary` takes them.

    candidates: by model, then case; only where a folder holds scored candidates.
    rejected: (model or "", case, one-line reason). notes: what was done to make files agree.
    missing: (model, case, why) of each case that a model was not scored on, or as an empty mask.
    looks: at masks whose values are taken for lesion ids.
    """

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    cases: pd.DataFrame
    candidates: Mapping[str, Mapping[str, Candidates]]
    rejected: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    missing: tuple[tuple[str, str, str], ...] = ()
    looks: tuple[MaskValues, ...] = ()


def score_cases(
    cases: Sequence[ReportCase], options: ScoringOptions, *, workers: int | None = None
) -> Scored:
    """Score all cases; a bad one is rejected with its reason and the others go on.

    workers: processes, all available cores by default. Raises UsageError where the masks of a
    folder hold values, and none of the labels asked for.
    """
    by_name = {case.case: case for case in cases}
    models = list(dict.fromkeys(model for case in cases for model in case.predictions))
    with case_pool(workers, num_tasks=len(cases)) as pool:
        scored, rejected = for_each_case(
            pool, partial(score_case, options=options, models=models), by_name, title="scoring"
        )
    scored |= {case: _unscored(case, why) for case, why in rejected.items()}
    found = {case: scored[case] for case in by_name}
    _refuse_absent_labels(list(found.values()), options)
    tables = [table for one in found.values() for table in one.tables]
    looks = tuple(look for one in found.values() for look in one.looks)
    edited = {m: sum(m in one.edited for one in found.values()) for m in models}
    return Scored(
        lesions=_stack([lesions for lesions, _, _ in tables]),
        predictions=_stack([predictions for _, predictions, _ in tables]),
        cases=pd.DataFrame([figures for _, _, figures in tables]),
        candidates=_by_model(found, [model for model in models if not edited[model]]),
        rejected=tuple(r for one in found.values() for r in one.rejected),
        notes=(
            *_option_notes(options),
            *(n for one in found.values() for n in one.notes),
            *class_notes(looks),
            *_curve_notes(edited),
        ),
        missing=_missing(by_name, found, models),
        looks=looks,
    )


def _unscored(case: str, why: str) -> CaseResult:
    """Of a case that could not be scored at all."""
    return CaseResult(rejected=[("", case, why.removeprefix(f"case {printable(case)}: "))])


def _by_model(
    found: Mapping[str, CaseResult], models: Sequence[str]
) -> dict[str, dict[str, Candidates]]:
    """Candidates by model, then case, of the models that have any of their own."""
    candidates = {
        model: {
            case: one.candidates[model] for case, one in found.items() if model in one.candidates
        }
        for model in models
    }
    return {
        model: by_case
        for model, by_case in candidates.items()
        if any(model not in found[case].as_empty for case in by_case)
    }


def _option_notes(options: ScoringOptions) -> list[str]:
    if options.known_labels is None or options.labels is not None or options.instances:
        return []
    return [
        "known_labels has no effect without labels: every value but 0 is lesion; name those that "
        "are with labels=[...]"
    ]


def _curve_notes(edited: Mapping[str, int]) -> list[str]:
    return [
        f"{model} has no curve over scores: {number} of its masks "
        f"{'was' if number == 1 else 'were'} changed after prediction, and its candidates "
        "describe the masks before"
        for model, number in edited.items()
        if number
    ]


def _missing(
    cases: Mapping[str, ReportCase], found: Mapping[str, CaseResult], models: Sequence[str]
) -> tuple[tuple[str, str, str], ...]:
    """(model, case, why) where a model has no prediction that can be read."""
    rows = []
    for model in models:
        for name, case in cases.items():
            rejected = {m: reason for m, _, reason in found[name].rejected}
            if model in found[name].as_empty:
                rows.append((model, name, "no prediction; scored as an empty mask"))
            elif model not in case.predictions:
                rows.append((model, name, "no prediction"))
            elif model in rejected:
                rows.append((model, name, f"rejected: {rejected[model]}"))
    return tuple(rows)


def _refuse_absent_labels(found: Sequence[CaseResult], options: ScoringOptions) -> None:
    """UsageError for a folder whose masks hold other values than the labels asked for alone."""
    for folder in dict.fromkeys(name for one in found for name in one.labelled):
        seen = [one.labelled[folder] for one in found if folder in one.labelled]
        values = sorted({value for _, others in seen for value in others})
        if values and not any(has_lesion for has_lesion, _ in seen):
            labels = ",".join(map(str, options.labels or ()))
            shown = ", ".join(map(str, values[:8])) + (" ..." if len(values) > 8 else "")
            raise UsageError(
                f"labels is [{labels}], and no mask of {folder} holds any of them, but {shown}; "
                "give those of lesions"
            )


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    full = [table for table in tables if len(table)] or list(tables[:1])
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame()
