"""Scans and masks to stored cases: fingerprint, plan, splits and cases, only what is missing."""

from __future__ import annotations

from pathlib import Path

from lesionseg.composing.launcher import launch_shards
from lesionseg.errors import UsageError
from lesionseg.settings.run import PreprocessStageSettings
from lesionseg.stages.dataset import open_dataset, refuse_output_among_scans
from lesionseg.stages.jobs import part_of
from lesionseg.stages.preparation import prepare_cases
from lesionseg.stages.shard_preparation import CASES, FINGERPRINT, prepare_part
from lesionseg.storage.lock import locked
from lesionseg.storage.part_records import withdraw_part_records


def main(settings: PreprocessStageSettings) -> int:
    """Preprocess `settings.data` into OUTPUT/preprocessed, or a part of it; the exit code."""
    refuse_output_among_scans(settings)
    part = part_of(settings)
    if (part is not None or settings.launcher is not None) and settings.data.root is None:
        raise UsageError("a part of the phantom cohort has no scans yet; give data.root=DIR")
    if settings.launcher is not None and part is None:
        steps = {step: {"step": step} for step in (FINGERPRINT, CASES)}
        return launch_shards("preprocess", settings, steps)
    if part is not None:
        return prepare_part(settings, part, open_dataset(settings))
    output = Path(settings.output)
    with locked(output):  # the phantom cohort is written into it, too
        withdraw_part_records(output, FINGERPRINT, CASES)
        return prepare_cases(open_dataset(settings), settings)
