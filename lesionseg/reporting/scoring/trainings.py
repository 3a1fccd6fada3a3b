"""The folders of a model trained with several seeds, each told apart as a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lesionseg.evaluation.seeds import trainings
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase
from lesionseg.reporting.scoring.score_cases import Scored


def training_folders(
    folders: Mapping[str, str | Path | Sequence[str | Path]],
) -> tuple[dict[str, Path], dict[str, str]]:
    """Folder by training, "unet (1)", "unet (2)" where a model has several; and `model_of`, the
    model of each of those."""
    found: dict[str, Path] = {}
    model_of: dict[str, str] = {}
    for model, given in folders.items():
        several = [given] if isinstance(given, (str, Path)) else given
        if len(several) == 1:
            found[model] = Path(several[0])
            continue
        for number, folder in enumerate(several, 1):
            training = f"{model} ({number})"
            found[training], model_of[training] = Path(folder), model
    return found, model_of


def first_trainings(scored: Scored, model_of: Mapping[str, str]) -> Scored:
    """The scores of each model's first training, under the model's name: what is drawn."""
    if not model_of:
        return scored
    names = {mine[0]: model for model, mine in trainings(scored.cases["model"], model_of).items()}

    def named(table: pd.DataFrame) -> pd.DataFrame:
        kept = table[table["model"].isin(names)]
        return kept.assign(model=kept["model"].map(names))

    return replace(
        scored,
        lesions=named(scored.lesions),
        predictions=named(scored.predictions),
        cases=named(scored.cases),
        candidates={names[m]: found for m, found in scored.candidates.items() if m in names},
    )


def first_predictions(cases: Sequence[ReportCase], model_of: Mapping[str, str]) -> list[ReportCase]:
    """The cases with the files of each model's first training alone."""
    return [replace(case, predictions=_first(case.predictions, model_of)) for case in cases]


def _first(
    files: Mapping[str, PredictionFiles], model_of: Mapping[str, str]
) -> dict[str, PredictionFiles]:
    found: dict[str, PredictionFiles] = {}
    for training, of_case in files.items():
        found.setdefault(model_of.get(training, training), of_case)
    return found
