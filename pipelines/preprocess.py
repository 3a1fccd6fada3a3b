"""Scans and masks to stored cases: fingerprint, plan, splits and cases, only what is missing."""

from __future__ import annotations

from pathlib import Path

from lesionseg.settings.run import PreprocessSettings
from lesionseg.stages.dataset import open_dataset, refuse_output_among_scans
from lesionseg.stages.preparation import prepare_cases
from lesionseg.storage.lock import locked


def main(settings: PreprocessSettings) -> int:
    """Preprocess `settings.data` into OUTPUT/preprocessed; return the exit code."""
    refuse_output_among_scans(settings)
    with locked(Path(settings.output)):  # the phantom cohort is written into it, too
        return prepare_cases(open_dataset(settings), settings)
