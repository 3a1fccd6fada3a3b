"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError
from lesionseg.inference.ensemble import Model
from lesionseg.inference.model_folder import load_model
from lesionseg.settings.predict import PredictSettings
from lesionseg.stages.new_predictions import predict_new_scans
from lesionseg.stages.new_scans import input_paths, scans_to_predict
from lesionseg.storage.lock import locked


def main(settings: PredictSettings) -> int:
    """Predict every scan of `settings.input`; return the exit code."""
    _refuse_to_write_over_scans(settings)
    model = _with_thresholds(
        load_model(settings.model, settings.device, threads=settings.threads), settings
    )
    names = tuple(channel.name for channel in model.plan.channels)
    found = scans_to_predict(settings, names)
    output = Path(settings.output)
    with locked(output):
        extras = (*settings.save, *settings.formats)
        done, rejected = predict_new_scans(model, found, output, extras)
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code


def _refuse_to_write_over_scans(settings: PredictSettings) -> None:
    output = Path(settings.output).resolve()
    sources = [path.resolve() for path in input_paths(settings)]
    if any(output in (source, source.parent) for source in sources):
        raise UsageError("output is the folder of the scans; give another, masks go by their names")


def _with_thresholds(model: Model, settings: PredictSettings) -> Model:
    """The model with the thresholds that the user gave in place of its own."""
    given = {
        "voxel_threshold": settings.voxel_threshold,
        "score_threshold": settings.score_threshold,
    }
    own = {name: value for name, value in given.items() if value is not None}
    points = tuple(dataclasses.replace(point, **own) for point in model.points)
    return dataclasses.replace(model, points=points)
