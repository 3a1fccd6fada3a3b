"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError
from lesionseg.inference.model_store import LoadedModel, load_model
from lesionseg.io.reading import reading_rule
from lesionseg.settings.predict import PredictSettings
from lesionseg.stages.new_scans import scans_to_predict
from lesionseg.stages.prediction import predict_scans
from lesionseg.storage.lock import locked


def main(settings: PredictSettings) -> int:
    """Predict every scan of `settings.input`; return the exit code."""
    _refuse_to_write_over_scans(settings)
    model = _with_thresholds(
        load_model(settings.model, settings.device, threads=settings.threads), settings
    )
    rule = reading_rule(settings.data, settings.dicom)
    names = tuple(channel.name for channel in model.plan.channels)
    scans = scans_to_predict(Path(settings.input), Path(settings.output), names, rule)
    with locked(Path(settings.output)):
        done, rejected = predict_scans(model, scans, Path(settings.output), settings.save)
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code


def _refuse_to_write_over_scans(settings: PredictSettings) -> None:
    source, output = Path(settings.input).resolve(), Path(settings.output).resolve()
    if output in (source, source.parent):
        raise UsageError("output is the folder of the scans; give another, masks go by their names")


def _with_thresholds(model: LoadedModel, settings: PredictSettings) -> LoadedModel:
    """The model with the thresholds that the user gave in place of its own."""
    given = {
        "voxel_threshold": settings.voxel_threshold,
        "score_threshold": settings.score_threshold,
    }
    own = {name: value for name, value in given.items() if value is not None}
    points = tuple(dataclasses.replace(point, **own) for point in model.points)
    return dataclasses.replace(model, points=points)
