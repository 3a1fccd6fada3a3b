"""An output that several jobs wrote is accounted for and finished, from what they recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lesionseg.errors import UsageError
from lesionseg.settings.messages import checked
from lesionseg.settings.predict import PredictSettings
from lesionseg.settings.record import Record
from lesionseg.settings.report import ReportSettings
from lesionseg.settings.run import PreprocessStageSettings
from lesionseg.settings.shards import ShardsOrCases
from lesionseg.stages.dataset import open_dataset
from lesionseg.stages.folder_report import REPORT, finish_report, match_masks, report_parts
from lesionseg.stages.jobs import finish_parts
from lesionseg.stages.shard_prediction import (
    PREDICT,
    finish_prediction,
    prediction_again,
    prediction_parts,
)
from lesionseg.stages.shard_preparation import (
    CASES,
    FINGERPRINT,
    finish_cases,
    finish_plan,
    planned_cases,
    shaping_parts,
)
from lesionseg.storage.lock import parts_locked
from lesionseg.storage.part_records import FOLDER, PartRecord, read_part_records
from lesionseg.storage.provenance import changed_parts

R = TypeVar("R", bound=Record)
OWN: dict[str, Any] = {
    "shard": None,
    "num_shards": None,
    "cases": None,
    "launcher": None,
    "step": None,
    "launcher_options": {},
}


def finish_output(output: Path, wanted: str | None = None) -> int:
    """Finish what jobs wrote into a folder; return the exit code of all their cases.

    wanted: what the jobs' records are called; None for the last step that there is of any stage.

    Raises UsageError where no job wrote there, one is missing or did not end, a case is missing or
    done twice, or jobs do not fit to each other or to what is there now.
    """
    for stage, finish in STAGES.items():
        if wanted not in (None, stage) or not read_part_records(output, stage):
            continue
        with parts_locked(output):
            records = read_part_records(output, stage)
            folder = Path(records[0].folder)
            if not folder.is_dir():
                raise UsageError(
                    f"the jobs ran in {folder.name}, a folder that is not here; finish on a "
                    "machine that sees it"
                )
            with contextlib.chdir(folder):
                return finish(output.resolve(), records)
    raise UsageError(
        f"{output.name} holds no {FOLDER}/ of jobs with shard=I num_shards=N or cases=[A,B]; run "
        "these first"
    )


def _finish_prediction(output: Path, records: Sequence[PartRecord]) -> int:
    settings = _settings(PredictSettings, output, records)
    model, found, cohort = prediction_again(settings)
    _refuse_changed(prediction_parts(settings, model, found), records[0])
    return finish_parts(
        output,
        records,
        cohort,
        lambda those: finish_prediction(settings, model, found, those),
    )


def _finish_plan(output: Path, records: Sequence[PartRecord]) -> int:
    settings = _settings(PreprocessStageSettings, output, records)
    dataset = open_dataset(settings)
    _refuse_changed(shaping_parts(settings, dataset), records[0])
    cohort = [scan.case for scan in dataset.scans]
    return finish_parts(
        output, records, cohort, lambda those: finish_plan(settings, dataset, those)
    )


def _finish_cases(output: Path, records: Sequence[PartRecord]) -> int:
    settings = _settings(PreprocessStageSettings, output, records)
    dataset = open_dataset(settings)
    _, cohort = planned_cases(settings, dataset)
    return finish_parts(
        output, records, cohort, lambda those: finish_cases(settings, dataset, those)
    )


def _finish_report(output: Path, records: Sequence[PartRecord]) -> int:
    settings = _settings(ReportSettings, output, records)
    found = match_masks(settings)
    _refuse_changed(report_parts(settings, found), records[0])
    cohort = [one.case for one in found.matches.cases]
    return finish_parts(
        output, records, cohort, lambda those: finish_report(settings, found, those)
    )


def _settings(record: type[R], output: Path, records: Sequence[PartRecord]) -> R:
    """The settings of the jobs, as of one process that does all cases."""
    own = {key: value for key, value in OWN.items() if key in record.model_fields}
    if not issubclass(record, ShardsOrCases):  # whose `cases` are something else
        own.pop("cases", None)
    content = {**records[0].settings, **own, "output": str(output)}
    return checked(record, content, f"{FOLDER}: settings")


def _refuse_changed(now: dict[str, str], record: PartRecord) -> None:
    if changed := changed_parts(now, record.made_from):
        raise UsageError(
            f"{' and '.join(changed)} changed since {record.part.words} was run; delete {FOLDER}/ "
            "and run all parts again"
        )


STAGES: dict[str, Callable[[Path, Sequence[PartRecord]], int]] = {
    CASES: _finish_cases,
    FINGERPRINT: _finish_plan,
    PREDICT: _finish_prediction,
    REPORT: _finish_report,
}
