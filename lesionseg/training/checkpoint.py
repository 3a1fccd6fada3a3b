"""Training state in one safetensors file: no pickle is written and none is opened."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lesionseg.errors import UsageError
from lesionseg.storage.atomic import replacing
from lesionseg.storage.json_file import parse_json
from lesionseg.storage.text_file import check_regular


@dataclass(frozen=True)
class Progress:
    """step: optimiser steps done. seconds: training time so far, validation left out.

    key: of the run's settings and data; with another key it cannot be resumed. unlogged,
    num_unlogged: sum of each loss term over the steps that no row of the log tells of yet.
    """

    step: int
    seconds: float
    key: str
    unlogged: Mapping[str, float] = field(default_factory=dict)
    num_unlogged: int = 0


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    """Write weights, optimiser state and random states, whole or not at all."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in values.items()}
    tensors["random.torch"] = torch.get_rng_state()
    tensors["random.model"] = generator.get_state()
    metadata = {"progress": json.dumps(dataclasses.asdict(progress))}
    content = save({k: v.cpu().contiguous() for k, v in tensors.items()}, metadata)
    with replacing(path) as partial:
        partial.write_bytes(content)  # safetensors' own writer tells a full disk as no OSError


def read_progress(path: Path) -> Progress | None:
    """How far the run of this checkpoint came; None where there is none that can be read."""
    try:
        check_regular(path)
        with safe_open(path, "pt") as file:
            return Progress(**parse_json(file.metadata()["progress"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def readable_progress(path: Path, key: str) -> Progress:
    """How far a run came that can go on. Raises UsageError for damage, and for another key."""
    progress = read_progress(path)
    if progress is None:
        raise UsageError(f"{path.name} cannot be read; train again with train.resume=false")
    if progress.key != key:
        raise UsageError(
            f"{path.name} was made with other settings or data; "
            "give the same, or train.resume=false"
        )
    return progress


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    key: str,
) -> Progress:
    """Put a saved state back and say how far it was. Raises UsageError where it does not fit."""
    progress = readable_progress(path, key)
    with safe_open(path, "pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    model.load_state_dict(weights)
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, index, field = name.split(".", 2)
            state.setdefault(int(index), {})[field] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(tensors["random.torch"])
    generator.set_state(tensors["random.model"])
    return progress
