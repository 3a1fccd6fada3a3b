"""Design questions measured on one's own data: each variant at the same budget, one table."""

from __future__ import annotations

from pathlib import Path

from lesionseg.composing.launcher import check_launcher, launch
from lesionseg.datasets.dataset import Dataset
from lesionseg.errors import EXIT_SOME_REJECTED
from lesionseg.settings.ablate import AblateSettings
from lesionseg.stages.ceiling import print_ceiling
from lesionseg.stages.dataset import open_dataset, refuse_output_among_scans, scan_root
from lesionseg.stages.losses_on_the_way import NAME as WAY
from lesionseg.stages.losses_on_the_way import print_losses
from lesionseg.stages.preparation import prepare_cases
from lesionseg.stages.study_reports import compare_study
from lesionseg.stages.variants import (
    check_variants,
    withdraw_marks,
    write_study,
)
from lesionseg.storage.lock import locked


def main(settings: AblateSettings) -> int:
    """Run the study `settings.study`; return the exit code."""
    refuse_output_among_scans(settings)
    output = Path(settings.output).resolve()  # jobs may start elsewhere
    if settings.study.name == "ceiling":
        with locked(output):
            return print_ceiling(output)
    check_variants(settings)
    check_launcher(settings)
    with locked(output):
        return _study(settings.model_copy(update={"output": str(output)}))


def _study(settings: AblateSettings) -> int:
    output = Path(settings.output)
    dataset = open_dataset(settings)
    code = prepare_cases(dataset, settings)
    if code not in (0, EXIT_SOME_REJECTED):
        return code
    settings = _for_jobs(settings, dataset)
    withdraw_marks(settings)
    write_study(output / "study.yaml", settings)
    launch(settings, output / "study.yaml")
    compared = compare_study(settings, dataset) or code
    if settings.study.name == WAY:
        print_losses(settings, dataset)
    return compared


def _for_jobs(settings: AblateSettings, dataset: Dataset) -> AblateSettings:
    """The settings with the scans' own folder, the phantom cohort's too, and the buckets filled in.

    The cohort is there by now: whoever comes first makes it.
    """
    root = scan_root(settings).resolve()
    return settings.model_copy(
        update={
            "data": settings.data.model_copy(update={"root": str(root)}),
            "edges_mm": settings.edges_mm or dataset.card.edges_mm,
        }
    )
