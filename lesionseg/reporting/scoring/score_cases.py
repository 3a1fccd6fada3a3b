"""Score every case with every model, on all cores, and judge each folder as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd

from lesionseg.errors import UsageError, printable
from lesionseg.evaluation import Candidates
from lesionseg.reporting.scoring.class_labels import MaskValues, class_notes
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_case import CaseResult, score_case
from lesionseg.reporting.scoring.stored_results import score_and_store
from lesionseg.settings.defaults import ALL_CLASSES
from lesionseg.storage.process_pool import case_pool, for_each_case


@dataclass(frozen=True, eq=False)
class Scored:
    """The tables of all cases and models, as `evaluation.summary` takes them.

    candidates: by model, then case; only where a folder holds scored candidates.
    rejected: (model or "", case, one-line reason). notes: what was done to make files agree.
    missing: (model, case, why) of each case that a model was not scored on, or as an empty mask.
    looks: at masks whose values are taken for lesion ids. by_class: the tables and candidates of
    each of several classes; those here are then of all together. confusion: by model and case, of
    classes that exclude one another.
    """

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    cases: pd.DataFrame
    candidates: Mapping[str, Mapping[str, Candidates]]
    rejected: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    missing: tuple[tuple[str, str, str], ...] = ()
    looks: tuple[MaskValues, ...] = ()
    by_class: Mapping[str, Scored] = field(default_factory=dict)
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)


def score_cases(
    cases: Sequence[ReportCase],
    options: ScoringOptions,
    *,
    workers: int | None = None,
    stored: Path | None = None,
) -> Scored:
    """Score all cases; a bad one is rejected with its reason and the others go on.

    workers: processes, all available cores by default. stored: folder of what `score_part` found
    already. Raises UsageError where the masks of a folder hold values, and none of the labels asked
    for.
    """
    by_name = {case.case: case for case in cases}
    models = _models(cases)
    score = partial(score_case, options=options, models=models)
    if stored is not None:
        score = partial(score_and_store, options=options, models=models, folder=stored)
    with case_pool(workers, num_tasks=len(cases)) as pool:
        scored, rejected = for_each_case(pool, score, by_name, title="scoring")
    scored |= {case: _unscored(case, why) for case, why in rejected.items()}
    found = {case: scored[case] for case in by_name}
    _refuse_absent_labels(list(found.values()), options)
    looks = tuple(look for one in found.values() for look in one.looks)
    edited = {m: sum(m in one.edited for one in found.values()) for m in models}
    names = options.classes.names
    curved = [model for model in models if not edited[model]]
    each = {name: _of_class(found, name, curved) for name in names}
    whole = each[names[0]] if len(names) == 1 else _of_all(found, each, curved)
    return replace(
        whole,
        rejected=tuple(r for one in found.values() for r in one.rejected),
        notes=(
            *_option_notes(options),
            *dict.fromkeys(n for one in found.values() for n in one.notes),
            *class_notes(looks),
            *_curve_notes(edited),
            *_absent_classes(each if len(names) > 1 else {}),
        ),
        missing=_missing(by_name, found, models),
        looks=looks,
    )


def score_part(
    cases: Sequence[ReportCase],
    names: Collection[str],
    options: ScoringOptions,
    folder: Path,
    *,
    workers: int | None = None,
) -> dict[str, str]:
    """Score the cases of these names, of all `cases`, into files of `folder`.

    options: as `score_cases` will have them. Returns case -> why of those that are rejected, as a
    whole or of a model.
    """
    mine = {case.case: case for case in cases if case.case in names}
    score = partial(score_and_store, options=options, models=_models(cases), folder=folder)
    with case_pool(workers, num_tasks=len(mine)) as pool:
        scored, rejected = for_each_case(pool, score, mine, title="scoring")
    told = {case: one.rejected[0][2] for case, one in scored.items() if one.rejected}
    return told | rejected


def _models(cases: Sequence[ReportCase]) -> list[str]:
    return list(dict.fromkeys(model for case in cases for model in case.predictions))


def _of_class(found: Mapping[str, CaseResult], name: str, models: Sequence[str]) -> Scored:
    """The tables of one class. models: those whose candidates count."""
    tables = [table for one in found.values() for table in one.tables if table.name == name]
    return Scored(
        lesions=_stack([table.lesions for table in tables if table.lesions is not None]),
        predictions=_stack([t.predictions for t in tables if t.predictions is not None]),
        cases=pd.DataFrame([table.figures for table in tables]),
        candidates=_by_model(found, name, models),
        rejected=(),
        notes=(),
    )


def _of_all(
    found: Mapping[str, CaseResult], each: Mapping[str, Scored], models: Sequence[str]
) -> Scored:
    """The tables of all classes together: the rows of each, and figures of their own."""
    confusion = [table for one in found.values() for table in one.confusion]
    return replace(
        _of_class(found, ALL_CLASSES, models),
        lesions=_stack([one.lesions for one in each.values()]),
        predictions=_stack([one.predictions for one in each.values()]),
        by_class=each,
        confusion=_stack(confusion),
    )


def _absent_classes(each: Mapping[str, Scored]) -> list[str]:
    """A sentence on the classes that no reference lesion has."""
    absent = [
        name
        for name, one in each.items()
        if len(one.cases) and not (one.cases["num_reference"] > 0).any()
    ]
    if not absent:
        return []
    return [
        f"no reference holds a lesion of {', '.join(absent)}: what is found of such lesions is "
        "undefined, and predictions are false positives"
    ]


def _unscored(case: str, why: str) -> CaseResult:
    """Of a case that could not be scored at all."""
    return CaseResult(rejected=[("", case, why.removeprefix(f"case {printable(case)}: "))])


def _by_model(
    found: Mapping[str, CaseResult], name: str, models: Sequence[str]
) -> dict[str, dict[str, Candidates]]:
    """Candidates of a class by model, then case, of the models that have any of their own."""
    candidates = {
        model: {
            case: one.candidates[name, model]
            for case, one in found.items()
            if (name, model) in one.candidates
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
            labels = ",".join(map(str, options.lesion_values or ()))
            shown = ", ".join(map(str, values[:8])) + (" ..." if len(values) > 8 else "")
            raise UsageError(
                f"labels is [{labels}], and no mask of {folder} holds any of them, but {shown}; "
                "give those of lesions"
            )


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    full = [table for table in tables if len(table)] or list(tables[:1])
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame()
