"""A part of the scans predicted by one of several jobs, and tables and pages of all of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from lesionseg import __version__
from lesionseg.datasets.new_scans import NewScans
from lesionseg.errors import UsageError
from lesionseg.inference.ensemble import Model
from lesionseg.inference.export_record import made_by, record_by
from lesionseg.settings.predict import PredictSettings
from lesionseg.stages.jobs import REJECTED, Told, run_part, told_of_all
from lesionseg.stages.new_predictions import exit_code, say_predicted
from lesionseg.stages.new_scans import model_to_predict, scans_to_predict
from lesionseg.stages.prediction import (
    ScanResult,
    Share,
    begin_prediction,
    end_prediction,
    predict_each,
)
from lesionseg.storage.part_records import PartRecord
from lesionseg.storage.parts import Part
from lesionseg.storage.provenance import made_from

PREDICT = "predict"  # what records of these jobs are called
DONE = "done"


def predict_part(settings: PredictSettings, part: Part, model: Model, found: NewScans) -> int:
    """Predict the scans of a part, and write what is made of all where it was the last; return the
    exit code. Raises as `run_part` and `predict_scans`."""
    output, save = Path(settings.output), (*settings.save, *settings.formats)
    patients = _patients(found)
    record = _record(settings, part, model, found)
    mine = set(record.cases)
    scans = [scan for scan in found.scans if scan.case in mine]
    unread = {case: why for case, why in found.rejected.items() if case in mine}

    def work() -> Told:
        done, rejected = predict_each([Share(model, scans)], output, save, unread=unread)
        told = {case: dataclasses.asdict(one) for case, one in done.items()}
        return {DONE: told, REJECTED: rejected}

    return run_part(
        output,
        record,
        [case for case, _ in patients],
        begin=lambda: begin_prediction(output, found.scans, found.rejected, save),
        work=work,
        finish=None
        if settings.launcher
        else lambda records: finish_prediction(settings, model, found, records),
    )


def prediction_again(settings: PredictSettings) -> tuple[Model, NewScans, list[str]]:
    """The model and the scans of jobs that ran before, and the names of all cases."""
    model = model_to_predict(settings.model_copy(update={"device": "cpu"}))
    found = scans_to_predict(settings, tuple(channel.name for channel in model.plan.channels))
    return model, found, [case for case, _ in _patients(found)]


def prediction_parts(settings: PredictSettings, model: Model, found: NewScans) -> dict[str, str]:
    """What shapes the outputs of all jobs, part by part."""
    how = settings.plain()
    shaping = ("save", "formats", "volume", "data", "dicom", "voxel_threshold", "score_threshold")
    return made_from(
        version=[__version__, torch.__version__],
        model=made_by(model),
        settings={key: how[key] for key in shaping},
        scans=_patients(found),
    )


def finish_prediction(
    settings: PredictSettings, model: Model, found: NewScans, records: Sequence[PartRecord]
) -> int:
    """Write tables and pages of all scans from what the jobs told; return the exit code of all.

    Raises UsageError where the files of a scan are gone.
    """
    output, save = Path(settings.output), (*settings.save, *settings.formats)
    order = [scan.case for scan in found.scans]
    told = told_of_all(records, DONE, order)
    done = {c: ScanResult(one["num_lesions"], tuple(one["notes"])) for c, one in told.items()}
    rejected = told_of_all(records, REJECTED, [*found.rejected, *order])
    by_model = [made_by(model)]
    for case in done:
        if record_by(output, case, by_model) is None:
            (one,) = (one for one in records if case in one.cases)
            raise UsageError(
                f"case {case} was predicted by {one.part.words}, and its files are gone from "
                f"{output.name} or are another model's; run {one.part.words} again"
            )
    begin_prediction(output, found.scans, found.rejected, save)
    end_prediction(output, [model], found.scans, save, done, rejected)
    say_predicted(done, rejected, output, save)
    return exit_code(len(done), len(rejected))


def _record(settings: PredictSettings, part: Part, model: Model, found: NewScans) -> PartRecord:
    return PartRecord(
        stage=PREDICT,
        part=part,
        made_from=prediction_parts(settings, model, found),
        cases=part.chosen(_patients(found)),
        settings=settings.plain(),
        folder=os.getcwd(),
    )


def _patients(found: NewScans) -> list[tuple[str, str]]:
    """Every case with its patient; one that cannot be read is a patient of its own."""
    unread = [(case, case) for case in found.rejected]
    return [*((scan.case, scan.patient) for scan in found.scans), *unread]
