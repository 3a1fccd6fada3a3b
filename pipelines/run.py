"""All stages in order on one dataset; what is finished is skipped."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from lesionseg.pipelines import preprocess, train
from lesionseg.pipelines.loss_shares import shares_of_models
from lesionseg.pipelines.score import TrainedModel, predict_all, report_on, test_scans
from omegaconf import DictConfig, OmegaConf

from lesionseg.datasets.dataset import Dataset
from lesionseg.datasets.splits import read_splits
from lesionseg.errors import EXIT_SOME_REJECTED
from lesionseg.evaluation import SizeBuckets
from lesionseg.inference.model_store import load_model
from lesionseg.models.device import torch_device
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_text
from lesionseg.storage.lock import locked

VERSIONS = ("lesionseg", "torch", "lightning", "monai", "nibabel", "SimpleITK", "numpy", "scipy")


def main(config: DictConfig) -> int:
    """Preprocess, train, predict the test scans, report; return the exit code."""
    train.check(config)  # before any work
    preprocess.refuse_beside_scans(config)
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

    models = {
        name: TrainedModel(
            load_model(output / "models" / name, torch_device(config.device)),
            output / "predictions" / name,
        )
        for name in config.models
    }
    scans = test_scans(dataset, output / "preprocessed")
    rejected = predict_all(list(models.values()), scans, list(config.save))
    code = report_on(config, dataset, models, scans, rejected, _loss_shares(config))
    return code or prepared


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
        "card_sha256": sha256_of_text(card),
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
