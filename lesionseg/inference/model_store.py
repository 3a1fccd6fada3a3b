"""A model folder: weights.safetensors, and model.json that says how to build and use them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from lesionseg import __version__
from lesionseg.errors import UsageError
from lesionseg.models.build import build_model
from lesionseg.models.device import channels_last
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import plan_content, plan_from
from lesionseg.settings.network import RENAMED
from lesionseg.slabs.slab import SlabRule
from lesionseg.storage.atomic import replacing, write_text
from lesionseg.structures import OperatingPoint

FORMAT = 4


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network ready to predict, with all that prediction depends on.

    weights_sha256: of weights.safetensors. training: how it was trained, as plain data.
    """

    name: str
    network: nn.Module
    plan: Plan
    point: OperatingPoint
    edges_mm: tuple[float, ...]
    weights_sha256: str
    training: Mapping[str, Any]

    @property
    def slab_rule(self) -> SlabRule:
        return SlabRule(self.plan.context_slices, self.plan.context_distance_mm)


def save_model(
    folder: Path,
    network: nn.Module,
    *,
    name: str,
    settings: Mapping[str, Any],
    plan: Plan,
    point: OperatingPoint,
    edges_mm: tuple[float, ...],
    training: Mapping[str, Any],
) -> None:
    """Write weights, then model.json, whose presence makes the folder a model."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    weights = folder / "weights.safetensors"
    with replacing(weights) as partial:
        save_file(tensors, partial)
    content = {
        "format": FORMAT,
        "lesionseg": __version__,
        "torch": torch.__version__,
        "name": name,
        "settings": dict(settings),
        "plan": plan_content(plan),
        "operating_point": dataclasses.asdict(point),
        "edges_mm": list(edges_mm),
        "weights_sha256": _sha256(weights),
        "training": dict(training),
    }
    write_text(folder / "model.json", json.dumps(content, indent=1) + "\n")


def load_model(folder: Path | str, device: torch.device | str = "cpu") -> LoadedModel:
    """Open a model folder. Nothing in it is executed; weights are tensors, settings plain data.

    Raises UsageError where a file is absent, damaged, or does not fit.
    """
    folder = Path(folder)
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UsageError(
                f"model {folder.name} has format {content['format']}, this version reads {FORMAT}"
            )
        name = RENAMED.get(content["name"], content["name"])
        plan = plan_from(content["plan"])
        num_slices = 2 * plan.context_slices + 1
        network = build_model(
            name,
            content["settings"],
            in_channels=len(plan.channels) * num_slices,
            num_classes=1,
            num_slices=num_slices,
        )
        weights = folder / "weights.safetensors"
        digest = _sha256(weights)
        if digest != content["weights_sha256"]:
            raise UsageError(
                f"model {folder.name}: weights do not match model.json; copy the folder whole"
            )
        network.load_state_dict(load_file(weights))
        point = OperatingPoint(**content["operating_point"])
        edges_mm = tuple(float(edge) for edge in content["edges_mm"])
        training = dict(content["training"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{folder.name} is not a model folder: {problem}; give the one that train wrote"
        ) from error
    channels_last(network.to(device)).eval()
    return LoadedModel(name, network, plan, point, edges_mm, digest, training)


def trained_key(folder: Path) -> str | None:
    """What a finished model folder was trained as; None where there is no such model."""
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return str(content["training"]["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
