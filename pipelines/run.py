"""All stages in order on one dataset; what is finished is skipped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from lesionseg.pipelines import preprocess, train
from lesionseg.pipelines.loss_shares import shares_of_models
from lesionseg.pipelines.predict import predict_scans
from lesionseg.pipelines.raters import joined_references
from lesionseg.pipelines.reading import reading_rule
from omegaconf import DictConfig, OmegaConf

from lesionseg.data.cards import Dataset, card_terms
from lesionseg.data.splits import read_splits
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.evaluation import SizeBuckets
from lesionseg.inference.model_store import LoadedModel, load_model
from lesionseg.io.atomic import write_text
from lesionseg.io.lock import locked
from lesionseg.models.device import torch_device
from lesionseg.report import Choices, Extras, PredictionFiles, ReportCase, write_report
from lesionseg.report.extras import flatten

VERSIONS = ("lesionseg", "torch", "lightning", "monai", "nibabel", "SimpleITK", "numpy", "scipy")


def main(config: DictConfig) -> int:
    """Preprocess, train, predict the test scans, report; return the exit code."""
    train.check(config)  # before any work
    with locked(Path(config.output)):
        return _stages(config)


def _stages(config: DictConfig) -> int:
    output = Path(config.output)
    dataset = preprocess.find_dataset(config)
    prepared = preprocess.main(config, dataset)
    if prepared not in (0, EXIT_SOME_REJECTED):
        return prepared
    if config.edges_mm is None:
        config.edges_mm = list(dataset.card.edges_mm)
    write_text(output / "run.json", json.dumps(_record(config, dataset), indent=1) + "\n")
    train.main(config)

    test = set(read_splits(output / "preprocessed" / "splits.json").test)
    scans = [scan for scan in dataset.scans if scan.case in test]
    models = [
        load_model(output / "models" / name, torch_device(config.device)) for name in config.models
    ]
    rejected: dict[str, str] = {}
    for model in models:
        _, bad = predict_scans(model, scans, output / "predictions" / model.name, list(config.save))
        rejected |= bad
    scans, agreement, bad = joined_references(
        scans, dataset.labels, output / "references", edges_mm=list(config.edges_mm)
    )
    rejected |= bad
    scored = [scan for scan in scans if scan.mask is not None and scan.case not in rejected]
    if not scored and rejected:
        return CaseError.exit_code
    if not scored:
        print("no test scan has a reference mask, so there is no report; masks: predictions/")
        return prepared
    report = write_report(
        [
            ReportCase(
                case=scan.case,
                patient=scan.patient,
                reference=scan.mask,
                predictions={
                    model.name: _files(output / "predictions" / model.name, scan.case)
                    for model in models
                },
                image=None if scan.volumes else scan.images[0],
            )
            for scan in scored
            if scan.mask is not None
        ],
        output / "report",
        _choices(config, dataset),
        workers=config.workers,
        extras=dataclasses.replace(
            _extras(dataset, models, _loss_shares(config), rejected), agreement=agreement
        ),
    )
    if report is None:
        print("every test scan was rejected; report/rejected.csv says why", file=sys.stderr)
        return CaseError.exit_code
    for model_name, case, reason in report.rejected:
        print(f"rejected: {case} ({model_name}): {reason}", file=sys.stderr)
    print(f"{report.text}\n\n{report.page}")
    return EXIT_SOME_REJECTED if rejected or report.rejected else prepared


def _choices(config: DictConfig, dataset: Dataset) -> Choices:
    rule = reading_rule(config)
    return Choices(
        edges_mm=tuple(config.edges_mm),
        labels=None if dataset.labels.instances else tuple(sorted(dataset.labels.lesions)),
        threshold=rule.mask_threshold,
        fix_grid=rule.fix_grid,
        assume_affine=rule.assume_affine,
    )


def _files(folder: Path, case: str) -> PredictionFiles:
    def there(*parts: str) -> Path | None:
        path = folder.joinpath(*parts)
        return path if path.is_file() else None

    name = f"{case}.nii.gz"
    return PredictionFiles(
        mask=folder / name,
        instances=there("instances", name),
        lesions=there("lesions", f"{case}.csv"),
        candidates=there("candidates", name),
        candidate_table=there("candidates", f"{case}.csv"),
    )


def _extras(
    dataset: Dataset,
    models: list[LoadedModel],
    shares: pd.DataFrame | None,
    rejected: dict[str, str],
) -> Extras:
    card = dataset.card
    left_out = ("key", "splits_sha256", "threshold_choice")
    training = {
        model.name: flatten(
            {k: v for k, v in model.training.items() if k not in left_out}
            | {
                "voxel threshold": f"{model.point.voxel_threshold:g}",
                "score threshold": f"{model.point.score_threshold:.3g}",
                "thresholds chosen by": model.training["threshold_choice"]["rule"],
            }
        )
        for model in models
    }
    return Extras(
        title=f"{card.name}: lesions found and missed, by size",
        loss_shares=shares,
        training=training,
        unmatched=[f"{case}: {reason}" for case, reason in sorted(rejected.items())],
        data_card=card_terms(card),
        provenance={f"weights of {model.name}": model.weights_sha256[:16] for model in models},
    )


def _loss_shares(config: DictConfig) -> pd.DataFrame | None:
    if config.loss_slabs < 1:
        return None
    output = Path(config.output)
    return shares_of_models(
        {name: output / "models" / name for name in config.models},
        output / "preprocessed",
        SizeBuckets.from_edges(config.edges_mm),
        num_slabs=int(config.loss_slabs),
        device=config.device,
        keep=True,
    )


def _record(config: DictConfig, dataset: Dataset) -> dict[str, Any]:
    """What made this run: resolved configuration, hashes, versions, revision."""
    splits = read_splits(Path(config.output) / "preprocessed" / "splits.json")
    card = dataset.card.model_dump_json()
    return {
        "config": OmegaConf.to_container(config, resolve=True),
        "card": dataset.card.name,
        "card_sha256": hashlib.sha256(card.encode()).hexdigest(),
        "splits_sha256": splits.sha256,
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": {name: metadata.version(name) for name in VERSIONS},
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """Of the checkout this code runs from; None for an installed package."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
