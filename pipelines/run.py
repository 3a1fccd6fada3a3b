"""All stages in order on one dataset; what is finished is skipped."""

from __future__ import annotations

from pathlib import Path

from lesionseg.datasets.dataset import Dataset
from lesionseg.errors import EXIT_SOME_REJECTED
from lesionseg.preprocessing.prepared import open_prepared
from lesionseg.settings.run import RunSettings
from lesionseg.stages.comparison import compare_models, scoring_options
from lesionseg.stages.dataset import open_dataset, refuse_output_among_scans
from lesionseg.stages.fold_reports import report_folds
from lesionseg.stages.folds import deal_run, prepare_folds, train_folds
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
        dataset = open_dataset(settings)
        if settings.data.folds is not None and settings.data.fold is None:
            return _cross_validation(settings, dataset)
        return _stages(settings, dataset)


def _stages(settings: RunSettings, dataset: Dataset) -> int:
    code = prepare_cases(dataset, settings, settings.edges_mm)
    if code not in (0, EXIT_SOME_REJECTED):
        return code
    edges_mm = settings.edges_mm or dataset.card.edges_mm
    settings = settings.model_copy(update={"edges_mm": edges_mm})
    write_run_record(settings, dataset, open_prepared(prepared_folder(settings)).splits.sha256)

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


def _cross_validation(settings: RunSettings, dataset: Dataset) -> int:
    """As `_stages` in every fold, with one report over the patients of all of them."""
    output, edges_mm = Path(settings.output), settings.edges_mm or dataset.card.edges_mm
    settings = settings.model_copy(update={"edges_mm": edges_mm})
    folds = deal_run(dataset, settings)
    code = prepare_folds(folds, output)
    if code not in (0, EXIT_SOME_REJECTED):
        return code
    write_run_record(settings, dataset, folds.sha256)
    train_folds(folds, output)

    return report_folds(folds, dataset, settings) or code
