"""The tables of a report: made from the scores, each written as a CSV of its name."""

from __future__ import annotations

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
from lesionseg.size_buckets import SMALL_MM, SMALL_SIZES, SizeBuckets


@dataclass(frozen=True, eq=False)
class Tables:
    """Every table of the report."""

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    cases: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    recall_by_diameter: pd.DataFrame
    ranking: pd.DataFrame
    bland_altman: pd.DataFrame
    strata: pd.DataFrame
    imbalance: pd.DataFrame
    froc: pd.DataFrame
    calibration: pd.DataFrame
    candidates: pd.DataFrame


def make_tables(
    scored: Scored,
    shared: Scored,
    buckets: SizeBuckets,
    options: ScoringOptions,
    *,
    model_of: Mapping[str, str],
    stratum_of: Mapping[str, str] | None = None,
) -> tuple[Tables, float | None]:
    """The tables, and the number of false positives a scan at which models are compared.

    shared: of the cases that all models have, over which averages are taken; the tables of lesions,
    predictions, cases and candidates hold every case. The number is None where models cannot be
    compared so. model_of: as in `evaluation.seeds`. stratum_of: by patient.
    """
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
    summary = with_holm(pd.concat(full, ignore_index=True))
    tables = Tables(
        lesions=scored.lesions,
        predictions=scored.predictions,
        cases=scored.cases.assign(compared=scored.cases["case"].isin(set(shared.cases["case"]))),
        summary=summary,
        comparisons=comparisons(summary),
        recall_by_diameter=by_diameter,
        ranking=rank_stability(figures),
        bland_altman=method_agreement(mean_over_seeds(shared.cases, model_of, ["case", "patient"])),
        strata=strata,
        imbalance=imbalance(shared.lesions, shared.cases, buckets),
        froc=froc,
        calibration=calibration(_of_all_seeds(shared, model_of)),
        candidates=_candidate_table(scored),
    )
    return tables, matched_at


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
