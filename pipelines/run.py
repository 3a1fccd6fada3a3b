"""All stages in order on one dataset; what is finished is skipped."""

from __future__ import annotations

from pathlib import Path

from lesionseg.errors import EXIT_SOME_REJECTED
from lesionseg.settings.run import RunSettings
from lesionseg.stages.comparison import compare_models, scoring_options
from lesionseg.stages.dataset import open_dataset, refuse_output_among_scans
from lesionseg.stages.loss_measures import measures_of_run
from lesionseg.stages.prediction import load_trained, predict_all, test_scans
from lesionseg.stages.preparation import prepare_cases, prepared_folder
from lesionseg.stages.run_record import write_run_record
from lesionseg.stages.training import check_training, train_models, training_cases
from lesionseg.storage.lock import locked


def main(settings: RunSettings) -> int:
    """Preprocess, train, predict the test scans, report; return the exit code."""
    check_training(settings)  # before any work
    refuse_output_among_scans(settings)
    with locked(Path(settings.output)):
        return _stages(settings)


def _stages(settings: RunSettings) -> int:
    dataset = open_dataset(settings)
    code = prepare_cases(dataset, settings, settings.edges_mm)
    if code not in (0, EXIT_SOME_REJECTED):
        return code
    edges_mm = settings.edges_mm or dataset.card.edges_mm
    settings = settings.model_copy(update={"edges_mm": edges_mm})
    write_run_record(settings, dataset)

    train_models(settings, training_cases(prepared_folder(settings)), edges_mm)
    models = load_trained(
        settings.output, settings.models, device=settings.device, threads=settings.threads
    )

    scans = test_scans(dataset, prepared_folder(settings))
    rejected = predict_all(models, scans, settings.save)

    compared = compare_models(
        models,
        dataset,
        scans,
        Path(settings.output),
        options=scoring_options(settings.data, dataset, edges_mm),
        rejected=rejected,
        losses=measures_of_run(settings, edges_mm),
        workers=settings.workers,
    )
    return compared or code
