"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

from pathlib import Path

from lesionseg.composing.launcher import launch_shards
from lesionseg.settings.predict import PredictSettings
from lesionseg.stages.jobs import part_of
from lesionseg.stages.new_predictions import exit_code, predict_new_scans
from lesionseg.stages.new_scans import (
    model_to_predict,
    refuse_output_over_scans,
    scans_to_predict,
)
from lesionseg.stages.shard_prediction import PREDICT, predict_part
from lesionseg.storage.lock import locked
from lesionseg.storage.part_records import withdraw_part_records


def main(settings: PredictSettings) -> int:
    """Predict every scan of `settings.input`, or a part of them; return the exit code."""
    refuse_output_over_scans(settings)
    part = part_of(settings)
    if settings.launcher is not None and part is None:
        return launch_shards("predict", settings, {PREDICT: {}})
    model = model_to_predict(settings)
    names = tuple(channel.name for channel in model.plan.channels)
    found = scans_to_predict(settings, names)
    if part is not None:
        return predict_part(settings, part, model, found)
    output = Path(settings.output)
    with locked(output):
        withdraw_part_records(output, PREDICT)
        extras = (*settings.save, *settings.formats)
        return exit_code(*predict_new_scans(model, found, output, extras))
