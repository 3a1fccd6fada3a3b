"""Score folders of masks against a reference and write the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.evaluation import SizeBuckets
from lesionseg.reporting import PageInfo, ScoringOptions, match_folders, write_report
from lesionseg.reporting.page.page_info import DEFAULT_TITLE
from lesionseg.reporting.plots.imbalance import read_loss_shares
from lesionseg.reporting.scoring.participants import Strata, read_strata
from lesionseg.reporting.scoring.trainings import training_folders
from lesionseg.settings.report import ReportSettings
from lesionseg.stages.page_texts import page_texts
from lesionseg.storage.lock import locked


def main(settings: ReportSettings) -> int:
    """Match, score, write; return the exit code. Errors of the user are raised, for the caller."""
    predictions, model_of = training_folders(settings.predictions)
    matches = match_folders(
        Path(settings.reference),
        predictions,
        images=Path(settings.images) if settings.images else None,
        probabilities=training_folders(settings.probabilities)[0],
        patient=settings.patient,
    )
    for line in matches.unmatched:
        print(f"left out: {line}", file=sys.stderr)
    page_info = PageInfo(
        title=settings.title or DEFAULT_TITLE,
        strata=_strata(settings),
        unmatched=matches.unmatched,
        loss_shares=_loss_shares(settings),
        training={name: page_texts(path) for name, path in settings.training.items()},
        data_card=page_texts(settings.data_card) if settings.data_card else {},
    )
    with locked(Path(settings.output)):
        report = write_report(
            matches.cases,
            Path(settings.output),
            settings.part(ScoringOptions),
            workers=settings.workers,
            page_info=page_info,
            model_of=model_of,
        )
    if report is None:
        print("every case was rejected; rejected.csv says why", file=sys.stderr)
        return CaseError.exit_code
    for model, case, reason in report.rejected:
        print(f"rejected: {case}{f' ({model})' if model else ''}: {reason}", file=sys.stderr)
    print(report.for_terminal)
    return EXIT_SOME_REJECTED if report.rejected else 0


def _folders(named: Mapping[str, str]) -> dict[str, Path]:
    return {name: Path(folder) for name, folder in named.items()}


def _strata(settings: ReportSettings) -> Strata | None:
    if settings.participants is None or settings.stratify is None:
        return None
    return read_strata(Path(settings.participants), settings.stratify)


def _loss_shares(settings: ReportSettings) -> pd.DataFrame | None:
    """Read, or measured on the models given; None where there is neither."""
    buckets = SizeBuckets.from_edges(settings.edges_mm)
    if settings.loss_shares:
        return read_loss_shares(Path(settings.loss_shares), buckets)
    if not settings.models:
        return None
    assert settings.cases  # the record refuses models without cases
    # masks are scored without torch; only models need it
    from lesionseg.stages.model_loss_shares import shares_of_models

    return shares_of_models(
        _folders(settings.models),
        Path(settings.cases),
        buckets,
        num_slabs=settings.loss_slabs,
        device=settings.device,
        keep=False,
    )
