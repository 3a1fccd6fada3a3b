"""Scans and masks to stored cases: fingerprint, plan, splits and cases, only what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from lesionseg.pipelines.reading import read_by, reading_rule
from omegaconf import DictConfig

from lesionseg.datasets.dataset import Dataset, find_scans, load_card
from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.errors import UsageError
from lesionseg.io.image_folder import holds_images
from lesionseg.planning.audit_file import audit_words
from lesionseg.planning.plan import PlanOverrides
from lesionseg.preprocessing.stage import build_dataset
from lesionseg.storage.lock import locked


def main(config: DictConfig, dataset: Dataset | None = None) -> int:
    """Preprocess `config.data` into OUTPUT/preprocessed; return the exit code.

    dataset: the scans, where the caller has found them already.
    """
    refuse_beside_scans(config)
    with locked(Path(config.output)):
        result = build_dataset(
            dataset or find_dataset(config),
            Path(config.output) / "preprocessed",
            overrides=PlanOverrides(**config.plan),
            seed=int(config.seed),
            validation_fraction=float(config.data.validation_fraction),
            test_fraction=float(config.data.test_fraction),
            folds=config.data.folds,
            fold=int(config.data.fold),
            workers=config.workers,
        )
    for case, notes in result.notes.items():
        for note in notes:
            print(f"note: case {case}: {note}", file=sys.stderr)
    for reason in result.rejected.values():
        print(f"rejected: {reason}", file=sys.stderr)
    print(
        f"preprocessed: {len(result.done)} made, {len(result.skipped)} there already, "
        f"{len(result.rejected)} rejected; {Path(config.output) / 'preprocessed' / 'plan.yaml'} "
        "says how and why"
    )
    if result.audit:
        print(f"{audit_words(result.audit)}; lesion_audit.csv names them")
    return result.exit_code


def refuse_beside_scans(config: DictConfig) -> None:
    """Raise UsageError for an output folder among the scans, where nothing may be written.

    That is any below data.root; where that is a table, its own folder and any that holds images.
    """
    if config.data.root is None:
        return
    root, output = Path(config.data.root).resolve(), Path(config.output).resolve()
    if root.is_file():
        among = output == root.parent or holds_images(output)
    else:
        among = output.is_relative_to(root)
    if among:
        raise UsageError(
            f"output {output.name} lies among the scans of data.root {root.name}; nothing is "
            "written beside them, so give another folder"
        )


def find_dataset(config: DictConfig) -> Dataset:
    """The scans of `config.data`; without a root, the phantom cohort is made first."""
    data = config.data
    root = data.root
    if root is None:
        root = write_cohort(Path(config.output) / "phantom", **data.phantom, workers=config.workers)
    card = load_card(data.card) if data.card else None
    dataset = find_scans(card, Path(root), patient=data.patient, layout=data.layout)
    print(f"found: {dataset.found}")
    return read_by(dataset, reading_rule(config))
