"""The tables of a report: made from the scores, each written as a CSV of its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesionseg.evaluation.calibration import calibration
from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.counts import imbalance
from lesionseg.evaluation.froc_summary import summarise_candidates
from lesionseg.evaluation.matched_rates import matched_draws, summarise_matched
from lesionseg.evaluation.method_agreement import method_agreement
from lesionseg.evaluation.ranking import rank_stability, region_dice_draws
from lesionseg.evaluation.recall_by_diameter import recall_by_diameter
from lesionseg.evaluation.seeds import mean_over_seeds
from lesionseg.evaluation.strata import summarise_strata
from lesionseg.evaluation.summary import summarise
from lesionseg.reporting.scoring.records import ScoringOptions
from lesionseg.reporting.scoring.score_cases import Scored
from lesionseg.reporting.tables.comparisons import comparisons, with_holm
from lesionseg.reporting.tables.confusion import confusion_counts
from lesionseg.settings.defaults import ALL_CLASSES
from lesionseg.size_buckets import SMALL_MM, SMALL_SIZES, SizeBuckets


@dataclass(frozen=True, eq=False)
class Tables:
    """Every table of one class, or of all together."""

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    cases: pd.DataFrame
    summary: pd.DataFrame
    recall_by_diameter: pd.DataFrame
    ranking: pd.DataFrame
    bland_altman: pd.DataFrame
    strata: pd.DataFrame
    imbalance: pd.DataFrame
    froc: pd.DataFrame
    calibration: pd.DataFrame
    candidates: pd.DataFrame
    matched_at: float | None


@dataclass(frozen=True, eq=False)
class ReportTables:
    """Every table of the report.

    whole: of the one class, or of all classes together. by_class: of each of several. comparisons:
    of all of these. confusion: of exclusive classes, by model.
    """

    whole: Tables
    by_class: Mapping[str, Tables]
    comparisons: pd.DataFrame
    confusion: pd.DataFrame

    @property
    def matched_at(self) -> dict[str, float | None]:
        """The number of false positives a scan at which models are compared, by class."""
        every = (self.whole, *self.by_class.values())
        return {_class_of(tables): tables.matched_at for tables in every}

    @property
    def written(self) -> dict[str, pd.DataFrame]:
        """By name of the file, each with a column class."""
        found = {"comparisons": self.comparisons, "confusion": self.confusion}
        for field in dataclasses.fields(Tables):
            parts = [getattr(self.whole, field.name)]
            if field.name in OF_EACH_CLASS:
                parts = [getattr(one, field.name) for one in self.by_class.values()] or parts
            elif field.name != "matched_at":
                parts += [getattr(one, field.name) for one in self.by_class.values()]
            if field.name != "matched_at":
                full = [part for part in parts if len(part)]
                found[field.name] = pd.concat(full, ignore_index=True) if full else parts[0]
        return found


OF_EACH_CLASS = ("lesions", "predictions", "candidates")  # whose rows are those of each class


def make_tables(
    scored: Scored,
    shared: Scored,
    buckets: SizeBuckets,
    options: ScoringOptions,
    *,
    model_of: Mapping[str, str],
    stratum_of: Mapping[str, str] | None = None,
) -> ReportTables:
    """The tables of all classes together and of each.

    shared: of the cases that all models have, over which averages are taken; the tables of lesions,
    predictions, cases and candidates hold every case. model_of: as in `evaluation.seeds`.
    stratum_of: by patient.
    """
    made = [
        _tables(one, mine, buckets, options, model_of, stratum_of)
        for one, mine in [
            (scored, shared),
            *((one, shared.by_class[name]) for name, one in scored.by_class.items()),
        ]
    ]
    summary = with_holm(pd.concat([tables.summary for tables in made], ignore_index=True))
    whole, *each = (
        dataclasses.replace(
            tables,
            summary=summary[summary["class"] == _class_of(tables)].reset_index(drop=True),
        )
        for tables in made
    )
    return ReportTables(
        whole,
        dict(zip(scored.by_class, each)),
        comparisons(summary),
        confusion_counts(
            shared.confusion,
            list(scored.by_class),
            list(dict.fromkeys(shared.cases["model"])),
            model_of,
        ),
    )


def _tables(
    scored: Scored,
    shared: Scored,
    buckets: SizeBuckets,
    options: ScoringOptions,
    model_of: Mapping[str, str],
    stratum_of: Mapping[str, str] | None,
) -> Tables:
    drawing: dict[str, Any] = {"model_of": model_of, "draws": options.draws, "seed": options.seed}
    scores = (shared.lesions, shared.predictions, shared.cases, buckets)
    rates = summarise(*scores, **drawing)
    strata = summarise_strata(*scores, stratum_of, **drawing) if stratum_of else pd.DataFrame()
    named = shared.lesions.replace({"model": dict(model_of)})
    figures = {"Region Dice": region_dice_draws(named, draws=options.draws, seed=options.seed)}
    patients = dict(zip(shared.cases["case"], shared.cases["patient"]))
    drawing["found_iou"] = options.found_iou
    over_scores, froc = summarise_candidates(shared.candidates, patients, buckets, **drawing)
    matched, matched_at = summarise_matched(
        _of_all_models(shared), patients, buckets, compare_at=options.compare_at, **drawing
    )
    if matched_at is not None:
        figures[f"Lesions found under {SMALL_MM:g} mm, matched false positives"] = matched_draws(
            _of_all_models(shared),
            patients,
            buckets.volume_range_mm3(SMALL_SIZES),
            matched_at,
            **drawing,
        )
    by_diameter = pd.DataFrame()
    if matched_at is not None:
        by_diameter = recall_by_diameter(
            _of_all_models(shared), matched_at, model_of=model_of, found_iou=options.found_iou
        )
    full = [table for table in (rates, matched, over_scores) if len(table)]
    agreement = method_agreement(mean_over_seeds(shared.cases, model_of, ["case", "patient"]))
    name = str(scored.cases["class"].iloc[0])
    counted = shared.lesions
    if name == ALL_CLASSES:  # of regions those that no other contains: no voxel counts twice
        classes = options.classes
        outer = [one for one, inside in zip(classes.names, classes.inside) if not inside]
        counted = counted[counted["class"].isin(outer)]
    return Tables(
        lesions=scored.lesions,
        predictions=scored.predictions,
        cases=scored.cases.assign(compared=scored.cases["case"].isin(set(shared.cases["case"]))),
        summary=_with_class(pd.concat(full, ignore_index=True), name),
        recall_by_diameter=_with_class(by_diameter, name),
        ranking=_with_class(rank_stability(figures), name),
        bland_altman=_with_class(agreement, name),
        strata=_with_class(strata, name),
        imbalance=_with_class(imbalance(counted, shared.cases, buckets), name),
        froc=_with_class(froc, name),
        calibration=_with_class(calibration(_of_all_seeds(shared, model_of)), name),
        candidates=_with_class(_candidate_table(scored), name),
        matched_at=matched_at,
    )


def _class_of(tables: Tables) -> str:
    return str(tables.cases["class"].iloc[0])


def _with_class(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with a column class, beside that of the model if it begins with one."""
    if not len(table.columns):
        return table
    table = table.copy()
    table.insert(1 if table.columns[0] == "model" else 0, "class", name)
    return table


def _of_all_seeds(scored: Scored, model_of: Mapping[str, str]) -> dict[str, dict[str, Candidates]]:
    """The candidates by model, those of all its seeds side by side."""
    found: dict[str, dict[str, Candidates]] = {}
    for training, by_case in scored.candidates.items():
        mine = found.setdefault(model_of.get(training, training), {})
        mine |= {f"{training}/{case}": one for case, one in by_case.items()}
    return found


def _of_all_models(scored: Scored) -> Mapping[str, Any]:
    """The candidates by model, in the order of the models; nothing where a model has none."""
    models = list(dict.fromkeys(scored.cases["model"]))
    if set(models) != set(scored.candidates):
        return {}
    return {model: scored.candidates[model] for model in models}


def _candidate_table(scored: Scored) -> pd.DataFrame:
    """One row per candidate lesion: what FROC, average precision and calibration are made of."""
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "case": case,
                "candidate_id": found.ids,
                "score": found.score,
                "volume_mm3": found.volume_mm3,
                "lesion_id": found.owner,
                "overlap_mm3": found.overlap_mm3,
            }
        )
        for model, by_case in scored.candidates.items()
        for case, found in by_case.items()
        if len(found.ids)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
