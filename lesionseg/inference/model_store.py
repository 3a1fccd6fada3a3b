"""A model folder: weights.safetensors, and model.json that says how to build and use them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from lesionseg import __version__
from lesionseg.errors import UsageError
from lesionseg.models.device import channels_last, torch_device
from lesionseg.models.interface import Network
from lesionseg.models.registry import Task, build_network
from lesionseg.models.threads import ThreadChooser
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import plan_content, plan_from
from lesionseg.slabs.slab import SlabRule
from lesionseg.storage.atomic import replacing, write_text
from lesionseg.storage.hashes import sha256_of_file, sha256_of_json
from lesionseg.storage.provenance import MadeFrom, read_record, recorded_parts
from lesionseg.structures import OperatingPoint

FORMAT = 6


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network ready to predict, with all that prediction depends on.

    weights_sha256: of weights.safetensors. training: how it was trained, as plain data.
    settings_sha256: of the network's settings, some of which shape masks and no weights.
    threads: chooses how many threads compute, over all the scans that it predicts; None where no
    CPU computes.
    """

    name: str
    network: Network
    plan: Plan
    point: OperatingPoint
    edges_mm: tuple[float, ...]
    weights_sha256: str
    training: Mapping[str, Any]
    threads: ThreadChooser | None = None
    settings_sha256: str = ""

    @property
    def slab_rule(self) -> SlabRule:
        return SlabRule(self.plan.context_slices, self.plan.context_distance_mm)


def save_model(
    folder: Path,
    network: Network,
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
    stored = save(tensors)
    with replacing(weights) as partial:
        partial.write_bytes(stored)  # safetensors' own writer tells a full disk as no OSError
    content = {
        "format": FORMAT,
        "lesionseg": __version__,
        "torch": torch.__version__,
        "name": name,
        "settings": dict(settings),
        "plan": plan_content(plan),
        "operating_point": dataclasses.asdict(point),
        "edges_mm": list(edges_mm),
        "weights_sha256": sha256_of_file(weights),
        "training": dict(training),
    }
    write_text(folder / "model.json", json.dumps(content, indent=1) + "\n")


def load_model(
    folder: Path | str, device: torch.device | str = "auto", *, threads: int | str = "auto"
) -> LoadedModel:
    """Open a model folder. Nothing in it is executed: weights are tensors, settings plain data.

    folder: like RUN/models/maskrcnn, with model.json and weights.safetensors. device: `auto`,
    `cpu`, `cuda`, `cuda:0`, `mps`, or torch's own. threads: how many compute on the CPU, or `auto`,
    which measures.

    Raises UsageError where a file is absent, damaged, or does not fit, and for a device that is not
    there.

    >>> import lesionseg
    >>> model = lesionseg.load_model(RUN / "models" / "maskrcnn", device="cpu")
    >>> model.name, [channel.name for channel in model.plan.channels]
    ('maskrcnn', ['FLAIR', 'T1'])
    """
    folder = Path(folder).resolve()
    where = torch_device(device) if isinstance(device, str) else device
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UsageError(
                f"model {folder.name} has format {content['format']}, this version reads {FORMAT}"
            )
        name = content["name"]
        plan = plan_from(content["plan"])
        network = build_network(name, content["settings"], task_of(plan))
        weights = folder / "weights.safetensors"
        digest = sha256_of_file(weights)
        if digest != content["weights_sha256"]:
            raise UsageError(
                f"model {folder.name}: weights do not match model.json; copy the folder whole"
            )
        network.load_state_dict(load_file(weights))
        point = OperatingPoint(**content["operating_point"])
        edges_mm = tuple(float(edge) for edge in content["edges_mm"])
        training = dict(content["training"])
        settings_sha256 = sha256_of_json(content["settings"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        missing = isinstance(error, FileNotFoundError) and f"it has no {Path(error.filename).name}"
        problem = missing or " ".join(str(error).split())[:200]
        raise UsageError(
            f"{folder.name} is not a model folder: {problem}; give the one that train wrote"
        ) from error
    channels_last(network.to(where)).eval()
    chooser = ThreadChooser(threads) if where.type == "cpu" else None
    return LoadedModel(
        name, network, plan, point, edges_mm, digest, training, chooser, settings_sha256
    )


def task_of(plan: Plan) -> Task:
    """What a network of this plan reads and tells apart."""
    return Task(len(plan.channels), 2 * plan.context_slices + 1, num_classes=1)


def trained_parts(folder: Path) -> MadeFrom | None:
    """What a finished model folder was made from; None where there is no such model, whole."""
    content = read_record(folder / "model.json") or {}
    weights, training = folder / "weights.safetensors", content.get("training")
    if not isinstance(training, dict) or not weights.is_file():
        return None
    if sha256_of_file(weights) != content.get("weights_sha256"):
        return None
    return recorded_parts(training)
