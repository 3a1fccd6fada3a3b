"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

from pathlib import Path

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.settings.predict import PredictSettings
from lesionseg.stages.new_predictions import predict_new_scans
from lesionseg.stages.new_scans import (
    model_to_predict,
    refuse_output_over_scans,
    scans_to_predict,
)
from lesionseg.storage.lock import locked


def main(settings: PredictSettings) -> int:
    """Predict every scan of `settings.input`; return the exit code."""
    refuse_output_over_scans(settings)
    model = model_to_predict(settings)
    names = tuple(channel.name for channel in model.plan.channels)
    found = scans_to_predict(settings, names)
    output = Path(settings.output)
    with locked(output):
        extras = (*settings.save, *settings.formats)
        done, rejected = predict_new_scans(model, found, output, extras)
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code
