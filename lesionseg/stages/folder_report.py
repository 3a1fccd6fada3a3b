"""Folders of masks matched, scored and reported, all cases at once or a part of them as a job."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionseg import __version__
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.reporting import (
    Matches,
    PageInfo,
    ScoringOptions,
    first_rejection,
    match_folders,
    withdraw_report,
    write_report,
)
from lesionseg.reporting.page.page_info import DEFAULT_TITLE
from lesionseg.reporting.scoring.folders import refuse_other_names
from lesionseg.reporting.scoring.participants import Strata, read_strata
from lesionseg.reporting.scoring.recorded_classes import with_predicted_classes
from lesionseg.reporting.scoring.score_cases import score_part
from lesionseg.reporting.scoring.trainings import training_folders
from lesionseg.settings.report import ReportSettings
from lesionseg.stages.jobs import REJECTED, Told, run_part
from lesionseg.stages.page_texts import page_texts
from lesionseg.stages.report_losses import report_losses
from lesionseg.storage.part_records import FOLDER, PartRecord
from lesionseg.storage.parts import Part
from lesionseg.storage.provenance import made_from

REPORT = "report"  # what records of these jobs are called
SCORES = "scores"  # folder of what the jobs found, beside their records
DONE = "done"
NOT_SHAPING = ("output", "workers", "device", "threads")
PATHS = ("reference", "predictions", "probabilities", "images", "participants", "models", "cases")
JOBS = ("shard", "num_shards", "launcher", "launcher_options")


@dataclass(frozen=True)
class Matched:
    """The masks that belong together, and which predictions are trainings of one model."""

    matches: Matches
    model_of: Mapping[str, str]


def match_masks(settings: ReportSettings) -> Matched:
    """Match the folders, naming what is left out. Raises UsageError or NoInputError."""
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
    return Matched(matches, model_of)


def page_info_of(settings: ReportSettings, matches: Matches) -> PageInfo:
    """What the page says beside the scores."""
    losses: dict[str, Any] = report_losses(settings)
    return PageInfo(
        title=settings.title or DEFAULT_TITLE,
        strata=_strata(settings),
        unmatched=matches.unmatched,
        unpredicted=matches.unpredicted,
        notes=matches.notes,
        **losses,
        training={name: page_texts(path) for name, path in settings.training.items()},
        data_card=page_texts(settings.data_card) if settings.data_card else {},
    )


def make_report(
    settings: ReportSettings, found: Matched, page_info: PageInfo, stored: Path | None = None
) -> int:
    """Score and write; return the exit code. stored: as in `write_report`."""
    report = write_report(
        found.matches.cases,
        Path(settings.output),
        settings.part(ScoringOptions),
        workers=settings.workers,
        page_info=page_info,
        model_of=found.model_of,
        stored=stored,
    )
    if report is None:
        first = first_rejection(Path(settings.output))
        print(f"every case was rejected; rejected.csv says why, like {first}", file=sys.stderr)
        return CaseError.exit_code
    for line in report.remarks:
        print(line, file=sys.stderr)
    print(report.for_terminal)
    return EXIT_SOME_REJECTED if report.rejected else 0


def report_part(settings: ReportSettings, part: Part, found: Matched) -> int:
    """Score a part of the cases, and make the report where it was the last; the exit code. Raises
    as `run_part` and `write_report`."""
    output, cases = Path(settings.output), found.matches.cases
    patients = [(case.case, case.patient) for case in cases]
    mine = part.chosen(patients)

    def work() -> Told:
        options, _ = with_predicted_classes(cases, settings.part(ScoringOptions))
        scores = output / FOLDER / SCORES
        bad = score_part(cases, set(mine), options, scores, workers=settings.workers)
        return {DONE: {case: True for case in mine if case not in bad}, REJECTED: bad}

    shaping = report_parts(settings, found)
    return run_part(
        output,
        PartRecord(REPORT, part, shaping, mine, settings.plain(), os.getcwd()),
        [case for case, _ in patients],
        begin=lambda: withdraw_report(output),
        work=work,
        finish=None
        if settings.launcher
        else lambda records: finish_report(settings, found, records),
    )


def report_parts(settings: ReportSettings, found: Matched) -> dict[str, str]:
    """What shapes the outputs of all jobs, part by part."""
    left = {*NOT_SHAPING, *PATHS, *JOBS}
    how = {key: value for key, value in settings.plain().items() if key not in left}
    return made_from(
        version=__version__,
        settings=how,
        cases=[(one.case, one.patient, list(one.predictions)) for one in found.matches.cases],
    )


def finish_report(settings: ReportSettings, found: Matched, records: Sequence[PartRecord]) -> int:
    """Make the report of all cases from what the jobs scored; return the exit code."""
    page_info = page_info_of(settings, found.matches)
    return make_report(settings, found, page_info, Path(settings.output) / FOLDER / SCORES)


def _strata(settings: ReportSettings) -> Strata | None:
    if settings.participants is None or settings.stratify is None:
        return None
    return read_strata(Path(settings.participants), settings.stratify)
