"""Train the models of a comparison on the same stream of slabs, then choose their thresholds."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from lesionseg.errors import NoInputError, UsageError
from lesionseg.inference.class_thresholds import (
    count_case,
)
from lesionseg.inference.model_folder import withdraw_ensemble
from lesionseg.inference.model_store import save_model, task_of, trained_parts
from lesionseg.models.device import torch_device, training_precision
from lesionseg.models.fusion import Fusion
from lesionseg.models.interface import Network
from lesionseg.models.registry import Task, build_network
from lesionseg.models.unet3d import UNet3D
from lesionseg.planning.anchor_plan import DetectorPlan, planned_settings
from lesionseg.planning.block_plan import with_blocks
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.prepared import open_prepared
from lesionseg.settings.network import BLOCKS, FUSION
from lesionseg.settings.run import RunSettings, Training, TrainStageSettings
from lesionseg.slabs.sampler import SlabSampler
from lesionseg.slabs.slab import BlockRule, SlabRule
from lesionseg.stages.fusion import in_order, joined, members_sha256
from lesionseg.stages.threshold_choice import (
    chosen_thresholds,
    refuse_few_patients,
    spread,
    tell_thresholds,
)
from lesionseg.stages.training_picture import CURVES, write_training_picture
from lesionseg.stages.training_request import TrainingRequest, training_request
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.lock import locked
from lesionseg.storage.provenance import changed_parts, read_record, recorded_parts, withdraw
from lesionseg.structures import Case
from lesionseg.training.fit import Budget, Fitted, fit
from lesionseg.training.memory_needed import refuse_training_beyond_memory
from lesionseg.wording import counted


@dataclass(frozen=True, eq=False)
class TrainingCases:
    """What models are trained and validated on.

    splits_sha256: of splits.json. cases_sha256: of all that the cases were made from.
    """

    plan: Plan
    training: list[Case]
    validation: list[Case]
    splits_sha256: str
    cases_sha256: str

    @property
    def slab_rule(self) -> SlabRule:
        return SlabRule(self.plan.context_slices, self.plan.context_distance_mm)


def check_training(settings: Training) -> None:
    """Refuse, before any work, what would fail after it: no budget, no such device, no network.

    Raises UsageError.
    """
    if settings.train.steps is None and settings.train.minutes is None:
        raise UsageError("no training budget; give train.steps or train.minutes")
    if isinstance(settings.train.steps, dict):
        trained = [name for name in in_order(settings.models) if name != FUSION]
        absent = [name for name in trained if name not in settings.train.steps]
        if absent:
            raise UsageError(f"train.steps names no number for {', '.join(absent)}; give one")
    torch_device(settings.device)
    anchors = DetectorPlan().anchors[2]
    any_plan = DetectorPlan(anchors={1: anchors, 2: anchors})
    with torch.device("meta"):  # built without its weights
        for name in in_order(settings.models):
            filled = planned_settings(settings.network.of(name).plain(), any_plan)
            if name == BLOCKS:
                filled = with_blocks(filled, Plan((), 1.0), any_plan.window_px)
            build_network(name, filled, Task(1, 1, 1))


def training_cases(folder: Path) -> TrainingCases:
    """The cases that preprocess wrote.

    Raises UsageError where it did not end, NoInputError where either side has no case, CaseError
    for a case that is damaged or of another attempt.
    """
    prepared = open_prepared(folder)
    splits = prepared.splits
    training, validation = prepared.open(splits.train), prepared.open(splits.validation)
    if not training or not validation:
        raise NoInputError(
            f"{len(training)} training and {len(validation)} validation cases; each needs one"
        )
    content = prepared.content_sha256((*splits.train, *splits.validation))
    return TrainingCases(prepared.plan, training, validation, splits.sha256, content)


def train_models(
    settings: RunSettings | TrainStageSettings,
    cases: TrainingCases,
    edges_mm: tuple[float, ...],
    *,
    ensembles: Path | None = None,
) -> None:
    """Train every model of `settings.models` that is not trained yet, into OUTPUT/models/NAME.

    ensembles: folder of the ensembles, by name, that these models are members of; one is withdrawn
    before its member is trained anew.
    """
    output = Path(settings.output)
    refuse_few_patients(settings.train, cases.validation)
    with locked(output):
        for name in in_order(settings.models):
            request = training_request(
                name,
                settings,
                cases.plan,
                splits_sha256=cases.splits_sha256,
                cases_sha256=cases.cases_sha256,
                seed=settings.seed,
                edges_mm=edges_mm,
                members_sha256=members_sha256(output / "models") if name == FUSION else (),
            )
            ensemble = ensembles / name if ensembles else None
            train_model(request, cases, output / "models" / name, ensemble=ensemble)


def train_model(
    request: TrainingRequest, cases: TrainingCases, folder: Path, *, ensemble: Path | None = None
) -> None:
    """Train one model and write its folder, unless the very same is there already.

    A training that was stopped goes on; where anything that it is made from changed since, it
    begins anew and says so. ensemble: of which it is a member. Raises what `fit` raises.
    """
    if request.train.resume and trained_parts(folder) == request.model_from:
        print(f"{request.name}: trained already", file=sys.stderr)
        return
    if request.name != FUSION:
        _refuse_beyond_memory(request, cases)
    for place in (ensemble, folder):
        if place is not None:
            withdraw_ensemble(place)
    _withdraw_model(request, folder)
    network = _untrained(request, cases)
    if isinstance(network, Fusion):
        fitted = joined(network, folder.parent)
    else:
        fitted = _fitted(network, request, cases, folder)
        write_training_picture(folder, request.name)
    choices = chosen_thresholds(
        network, request, cases.validation, cases.slab_rule, cases.plan.lesion_classes
    )
    tell_thresholds(request.name, fitted.steps, choices)
    precision = training_precision(request.train.precision, torch_device(request.device))
    save_model(
        folder,
        network,
        name=request.name,
        settings=request.settings,
        plan=cases.plan,
        points=[choice.told for choice in choices.values()],
        edges_mm=request.edges_mm,
        training={
            "made_from": dict(request.model_from),
            "steps": fitted.steps,
            "minutes": round(fitted.seconds / 60, 2),
            "threads": fitted.threads,
            "cut_short": fitted.cut_short,
            "seed": request.seed,
            "num_training": len(cases.training),
            "parameters": sum(weight.numel() for weight in network.parameters()),
            "network": request.settings,
            "threshold_choice": {name: one.as_dict() for name, one in choices.items()},
            "splits_sha256": cases.splits_sha256,
            "sampling": request.sampling.plain(),
            "augmentation": request.augmentation.plain(),
            "train": request.train.plain() | {"precision": precision},
        },
    )


def _withdraw_model(request: TrainingRequest, folder: Path) -> None:
    """Remove the model that is there, and a training that would not go on to this one."""
    measured = ("loss_shares.csv", "missing_prices.csv")
    withdraw(folder / name for name in ("model.json", "weights.safetensors", *measured, CURVES))
    begun = folder / "training.json"
    found = recorded_parts(read_record(begun))
    changed = changed_parts(request.weights_from, found)
    if request.train.resume and not changed:
        return
    if request.train.resume and found is not None:
        print(f"{request.name}: trained anew; changed: {', '.join(changed)}", file=sys.stderr)
    withdraw([begun, folder / "checkpoint.safetensors", folder / "log.csv"])
    write_text(begun, json.dumps({"made_from": dict(request.weights_from)}, indent=1) + "\n")


def _refuse_beyond_memory(request: TrainingRequest, cases: TrainingCases) -> None:
    task = task_of(cases.plan)
    refuse_training_beyond_memory(
        lambda: build_network(request.name, request.settings, task),
        task.num_channels if request.name == BLOCKS else task.in_channels,
        name=request.name,
        batch_size=request.sampling.batch_size,
        window_px=request.sampling.size or cases.plan.detector.window_px,
        precision=request.train.precision,
        device=request.device,
    )


def _untrained(request: TrainingRequest, cases: TrainingCases) -> Network:
    torch.manual_seed(request.seed)
    return build_network(request.name, request.settings, task_of(cases.plan))


def _fitted(
    network: Network, request: TrainingRequest, cases: TrainingCases, folder: Path
) -> Fitted:
    """Train the network in place."""
    rule, train = cases.slab_rule, request.train
    num_classes = len(cases.plan.lesion_classes)
    sampler = SlabSampler(
        cases.training,
        BlockRule(network.block_slices) if isinstance(network, UNet3D) else rule,
        request.sampling,
        request.augmentation,
        request.seed,
        edges_mm=request.edges_mm,
    )
    print(f"{request.name}: training on {counted(len(cases.training), 'case')}", file=sys.stderr)
    if not any(case.lesions for case in cases.training):
        print(f"{request.name}: no training case holds a lesion", file=sys.stderr)
    return fit(
        network,
        sampler,
        spread(cases.validation, train.validation_cases),
        budget=Budget(train.steps_of(request.name), train.minutes),
        rule=train,
        folder=folder,
        count_lesions=lambda model, case: count_case(model, case, rule, num_classes),
        device=request.device,
        seed=request.seed,
        key=sha256_of_json(dict(request.weights_from)),
        resume=train.resume,
        threads=request.threads,
        title=request.name,
    )
