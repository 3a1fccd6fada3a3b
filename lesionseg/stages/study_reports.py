"""The reports of a study: all variants side by side, and those of the same lesion classes by
class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesionseg.datasets.dataset import Dataset
from lesionseg.settings.ablate import AblateSettings
from lesionseg.stages.comparison import compare_models, scoring_options
from lesionseg.stages.dataset import open_dataset
from lesionseg.stages.prediction import test_scans
from lesionseg.stages.preparation import PREPARED
from lesionseg.stages.variants import model_of, trained_variants, variants_by_classes


def compare_study(study: AblateSettings, dataset: Dataset) -> int:
    """Write OUTPUT/report over all variants, and where these tell different lesion classes apart,
    one by class for each set of classes; return the first exit code that is not 0.

    Variants of different classes are compared as of one class: a lesion is found or not.
    """
    output = Path(study.output)
    edges_mm = study.edges_mm or dataset.card.edges_mm
    groups = variants_by_classes(study)
    how: dict[str, Any] = {"rejected": {}, "losses": None, "workers": study.workers}
    how["model_of"] = model_of(study)
    codes = [
        compare_models(
            trained_variants(study, study.study.variants),
            dataset,
            test_scans(dataset, output / PREPARED),
            output,
            options=scoring_options(study.data, dataset, edges_mm),
            as_one_class=len(groups) > 1,
            **how,
        )
    ]
    for settings, variants in groups if len(groups) > 1 else ():
        own = open_dataset(settings)
        if len(own.labels.classes) > 1:
            made = compare_models(
                trained_variants(study, variants),
                own,
                test_scans(own, output / PREPARED),
                output,
                options=scoring_options(settings.data, own, edges_mm),
                folder="report_" + "_".join(own.labels.classes.folders),
                **how,
            )
            codes.append(made)
    return next((code for code in codes if code), 0)
