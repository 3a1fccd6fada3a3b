"""A model folder: weights.safetensors, and model.json that says how to build and use them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from lesionseg import __version__
from lesionseg.errors import UsageError
from lesionseg.inference.model_record import FORMAT, ModelRecord, read_model_record
from lesionseg.models.device import channels_last, torch_device
from lesionseg.models.folding import fold_normalisations
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


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network ready to predict, with all that prediction depends on.

    points: by lesion class. weights_sha256: of weights.safetensors. training: how it was trained,
    as plain data. settings_sha256: of the network's settings, some of which shape masks and no
    weights. threads: chooses how many threads compute, over all the scans that it predicts; None
    where no CPU computes.
    """

    name: str
    network: Network
    plan: Plan
    points: tuple[OperatingPoint, ...]
    edges_mm: tuple[float, ...]
    weights_sha256: str
    training: Mapping[str, Any]
    threads: ThreadChooser | None = None
    settings_sha256: str = ""

    @property
    def members(self) -> tuple[LoadedModel]:
        """Itself alone: what predicts, as of an `Ensemble`."""
        return (self,)

    @property
    def plan_sha256(self) -> str:
        return self.plan.key

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
    points: Sequence[OperatingPoint],
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
        "operating_points": [point.as_data for point in points],
        "edges_mm": list(edges_mm),
        "weights_sha256": sha256_of_file(weights),
        "training": dict(training),
    }
    write_text(folder / "model.json", json.dumps(content, indent=1) + "\n")


def load_network(
    folder: Path | str, device: torch.device | str = "auto", *, threads: int | str = "auto"
) -> LoadedModel:
    """The model of one network in a folder with model.json and weights.safetensors; arguments and
    errors as of `load_model`."""
    folder = Path(folder).resolve()
    where = torch_device(device) if isinstance(device, str) else device
    try:
        record = read_model_record(folder / "model.json")
        plan = checked_plan(record)
        weights = folder / "weights.safetensors"
        if sha256_of_file(weights) != record.weights_sha256:
            raise UsageError("weights do not match model.json; copy the folder whole")
        network = _network(record, plan, weights)
    except UsageError as error:
        raise UsageError(f"{folder.name} is not a model folder: {error}") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        missing = isinstance(error, FileNotFoundError) and f"it has no {Path(error.filename).name}"
        problem = missing or " ".join(str(error).split())[:200]
        raise UsageError(
            f"{folder.name} is not a model folder: {problem}; give the one that train wrote"
        ) from error
    channels_last(fold_normalisations(network).to(where))
    chooser = ThreadChooser(threads) if where.type == "cpu" else None
    return loaded(record, network, plan, chooser)


def loaded(
    record: ModelRecord, network: Network, plan: Plan, threads: ThreadChooser | None = None
) -> LoadedModel:
    """The network with what its model.json says. plan: that of the record."""
    return LoadedModel(
        name=record.name,
        network=network,
        plan=plan,
        points=tuple(point.point for point in record.operating_points),
        edges_mm=tuple(float(edge) for edge in record.edges_mm),
        weights_sha256=record.weights_sha256,
        training=record.training,
        threads=threads,
        settings_sha256=sha256_of_json(record.settings),
    )


def checked_plan(record: ModelRecord) -> Plan:
    """The plan of a model.json. Raises UsageError where it tells other classes apart than there
    are thresholds for, and as `plan_from`."""
    plan = plan_from(record.plan)
    if len(record.operating_points) != len(plan.lesion_classes):
        wanted, got = len(plan.lesion_classes), len(record.operating_points)
        raise UsageError(f"model.json has thresholds of {got} classes, its plan {wanted}")
    return plan


def _network(record: ModelRecord, plan: Plan, weights: Path) -> Network:
    """The network with its weights.

    Its tensors are compared with the file's before memory is taken for them: settings may ask for
    more than there is. Raises UsageError, ValueError where they differ or are not finite.
    """
    with torch.device("meta"):
        wanted = build_network(record.name, record.settings, task_of(plan)).state_dict()
    with safe_open(weights, "pt") as file:
        stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    for name in sorted(stored.keys() | wanted.keys()):
        shape = tuple(wanted[name].shape) if name in wanted else None
        if stored.get(name) != shape:
            raise ValueError(
                f"size mismatch of {name}: {stored.get(name)} in {weights.name}, {shape} by its "
                "settings"
            )
    network = build_network(record.name, record.settings, task_of(plan))
    tensors = load_file(weights)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{weights.name} holds NaN or infinite values in {name}")
    network.load_state_dict(tensors)
    return network


def stored_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a model folder, by name."""
    weights: dict[str, torch.Tensor] = load_file(folder / "weights.safetensors")
    return weights


def task_of(plan: Plan) -> Task:
    """What a network of this plan reads and tells apart."""
    classes = plan.lesion_classes
    return Task(
        len(plan.channels),
        2 * plan.context_slices + 1,
        len(classes),
        classes.inside if classes.regions else None,
    )


def trained_parts(folder: Path) -> MadeFrom | None:
    """What a finished model folder was made from; None where there is no such model, whole."""
    content = read_record(folder / "model.json") or {}
    weights, training = folder / "weights.safetensors", content.get("training")
    if not isinstance(training, dict) or not weights.is_file():
        return None
    if sha256_of_file(weights) != content.get("weights_sha256"):
        return None
    return recorded_parts(training)
