"""Score folders of masks against a reference and write the report."""

from __future__ import annotations

import sys
from pathlib import Path

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.reporting import (
    PageInfo,
    ScoringOptions,
    first_rejection,
    match_folders,
    write_report,
)
from lesionseg.reporting.page.page_info import DEFAULT_TITLE
from lesionseg.reporting.scoring.folders import refuse_other_names
from lesionseg.reporting.scoring.participants import Strata, read_strata
from lesionseg.reporting.scoring.trainings import training_folders
from lesionseg.settings.report import ReportSettings
from lesionseg.stages.page_texts import page_texts
from lesionseg.stages.report_losses import report_losses
from lesionseg.storage.lock import locked


def main(settings: ReportSettings) -> int:
    """Match, score, write; return the exit code. Errors of the user are raised, for the caller."""
    refuse_other_names("training", settings.training, settings.predictions)
    predictions, model_of = training_folders(settings.predictions)
    matches = match_folders(
        Path(settings.reference),
        predictions,
        images=Path(settings.images) if settings.images else None,
        probabilities=training_folders(settings.probabilities)[0],
        classes=settings.classes.names if len(settings.classes) > 1 else (),
        patient=settings.patient,
        missing=settings.missing,
        output=Path(settings.output),
    )
    for line in matches.unmatched:
        print(f"left out: {line}", file=sys.stderr)
    page_info = PageInfo(
        title=settings.title or DEFAULT_TITLE,
        strata=_strata(settings),
        unmatched=matches.unmatched,
        unpredicted=matches.unpredicted,
        notes=matches.notes,
        **report_losses(settings),
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
        first = first_rejection(Path(settings.output))
        print(f"every case was rejected; rejected.csv says why, like {first}", file=sys.stderr)
        return CaseError.exit_code
    for line in report.remarks:
        print(line, file=sys.stderr)
    print(report.for_terminal)
    return EXIT_SOME_REJECTED if report.rejected else 0


def _strata(settings: ReportSettings) -> Strata | None:
    if settings.participants is None or settings.stratify is None:
        return None
    return read_strata(Path(settings.participants), settings.stratify)
