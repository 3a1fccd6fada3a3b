"""Train the models of a comparison on preprocessed cases, on the very same slabs."""

from __future__ import annotations

from pathlib import Path

from lesionseg.settings.run import TrainStageSettings
from lesionseg.stages.preparation import prepared_folder
from lesionseg.stages.training import check_training, train_models, training_cases
from lesionseg.storage.lock import locked


def main(settings: TrainStageSettings) -> int:
    """Train every model of `settings.models` that is not trained yet; return the exit code."""
    check_training(settings)
    with locked(Path(settings.output)):  # another run may be preparing the cases
        train_models(settings, training_cases(prepared_folder(settings)), settings.edges_mm)
    return 0
