"""The masks and reports of a cross-validation: of all folds together, and of a test set."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lesionseg.datasets.dataset import Dataset
from lesionseg.reporting import withdraw_report
from lesionseg.settings.run import RunSettings
from lesionseg.stages.comparison import compare_models, scoring_options
from lesionseg.stages.folds import Folds, predict_folds
from lesionseg.stages.prediction import TrainedModel, load_trained, predict_all

TEST_SET = "test_set"  # below a run folder


def report_folds(folds: Folds, dataset: Dataset, settings: RunSettings) -> int:
    """One report over the patients of all folds, each predicted by models that never saw them, in
    OUTPUT/report. The ensembles of the folds predict the test set of the data, where there is one,
    into OUTPUT/test_set, with a report of its own.

    Returns the exit code, the first that is not 0.
    """
    output = Path(settings.output)
    assert settings.edges_mm is not None
    models = load_trained(
        settings.output, settings.models, device=settings.device, threads=settings.threads
    )
    compare = partial(
        compare_models,
        dataset=dataset,
        options=scoring_options(settings.data, dataset, settings.edges_mm),
        losses=None,  # each fold's networks have losses of their own
        workers=settings.workers,
    )
    rejected = predict_folds(folds, settings)
    code = compare(
        models, scans=folds.held_out, output=output, rejected=rejected, predicted=_words(folds)
    )
    place = output / TEST_SET
    if not folds.test:
        withdraw_report(place / "report")  # of a test set that there was
        return code
    on_test = {
        name: TrainedModel(one.model, place / "predictions" / name) for name, one in models.items()
    }
    rejected = predict_all(on_test, folds.test, settings.save)
    return code or compare(on_test, scans=folds.test, output=place, rejected=rejected)


def _words(folds: Folds) -> str:
    """How the scans of a cross-validation were predicted, in sentences."""
    num = len(folds.folds)
    return (
        f"Cross-validation in {num} folds: each patient was predicted by the models of one fold, "
        "which were planned, trained and given their thresholds without that patient. Scores of "
        f"{num} trainings are pooled where a figure goes by score, and the ensemble of the {num} "
        "models of a network is judged by no scan of this page."
    )
