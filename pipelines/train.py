"""Train the models of a comparison on the same stream of slabs, then choose their thresholds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from tqdm import tqdm

from lesionseg.datasets.splits import read_splits
from lesionseg.errors import NoInputError, UsageError
from lesionseg.inference.lesion_maps import predict_lesion_map
from lesionseg.inference.model_store import save_model, task_of, trained_key
from lesionseg.inference.operating_point import choose_operating_point, count_case
from lesionseg.io.case_store import open_case
from lesionseg.models.device import torch_device, training_precision
from lesionseg.models.registry import BUILDERS, Task, build_network
from lesionseg.models.threads import ThreadChooser
from lesionseg.planning.anchor_plan import DetectorPlan, planned_settings
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import read_plan
from lesionseg.slabs.augmentation import AugmentationRule
from lesionseg.slabs.sampler import SamplingRule, SlabSampler
from lesionseg.slabs.slab import SlabRule
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.lock import locked
from lesionseg.structures import Case
from lesionseg.training.fit import Budget, TrainingRule, fit

# of conf/train: what may change when a run is resumed, the budget among it
ALTERABLE = (
    "resume",
    "num_workers",
    "steps",
    "minutes",
    "checkpoint_every",
    "validate_every",
    "validation_cases",
    "threshold_cases",
    "log_every",
)


def check(config: DictConfig) -> None:
    """Refuse, before any work, what would fail after it: models, budget, device, settings."""
    unknown = sorted(set(config.models) - set(BUILDERS))
    if unknown or not config.models:
        raise UsageError(f"models is {list(config.models)}; known: {', '.join(BUILDERS)}")
    if config.train.steps is None and config.train.minutes is None:
        raise UsageError("no training budget; give train.steps or train.minutes")
    torch_device(config.device)
    anchors = DetectorPlan().anchors[2]
    any_plan = DetectorPlan(anchors={1: anchors, 2: anchors})
    with torch.device("meta"):  # built without its weights
        for name in config.models:
            settings = planned_settings(_plain(config.network[name]), any_plan)
            build_network(str(name), settings, Task(1, 1, 1))


def main(config: DictConfig, prepared: Path | None = None) -> int:
    """Train every model of `config.models` that is not trained yet; return the exit code.

    prepared: the folder of preprocessed cases, where it is not the one below `config.output`.
    """
    check(config)
    folder = prepared or Path(config.output) / "preprocessed"
    plan, splits = read_plan(folder / "plan.yaml"), read_splits(folder / "splits.json")
    training = [open_case(folder, name) for name in splits.train]
    validation = [open_case(folder, name) for name in splits.validation]
    if not training or not validation:
        raise NoInputError(
            f"{len(training)} training and {len(validation)} validation cases; each needs one"
        )
    with locked(Path(config.output)):
        for name in config.models:
            train_one(config, str(name), plan, training, validation, splits.sha256)
    return 0


def train_one(
    config: DictConfig,
    name: str,
    plan: Plan,
    training: list[Case],
    validation: list[Case],
    splits_sha256: str,
) -> None:
    """Train one model and write its folder, unless that is there already."""
    folder = Path(config.output) / "models" / name
    settings = planned_settings(_plain(config.network[name]), plan.detector)
    shared = {part: _plain(config[part]) for part in ("sampling", "augmentation", "train")}
    if shared["sampling"]["size"] is None:
        shared["sampling"]["size"] = plan.detector.window_px
    rules = dict(shared["train"])
    resume, num_validation = rules.pop("resume"), rules.pop("validation_cases")
    num_threshold = rules.pop("threshold_cases")
    budget = Budget(rules.pop("steps"), rules.pop("minutes"))
    asked = {"name": name, "settings": settings, "seed": config.seed, **shared}
    asked["train"] = {k: v for k, v in shared["train"].items() if k not in ALTERABLE}
    key = sha256_of_json([asked, plan.key, splits_sha256])
    finished = sha256_of_json(
        [key, budget.steps, budget.minutes, num_threshold, list(config.edges_mm)]
    )
    if resume and trained_key(folder) == finished:
        print(f"{name}: trained already", file=sys.stderr)
        return
    torch.manual_seed(config.seed)
    rule = SlabRule(plan.context_slices, plan.context_distance_mm)
    network = build_network(name, settings, task_of(plan))
    sampler = SlabSampler(
        training,
        rule,
        SamplingRule(**shared["sampling"]),
        AugmentationRule(**shared["augmentation"]),
        int(config.seed),
    )
    print(f"{name}: training on {len(training)} cases", file=sys.stderr)
    fitted = fit(
        network,
        sampler,
        _spread(validation, num_validation),
        budget=budget,
        rule=TrainingRule(**rules),
        folder=folder,
        count_lesions=lambda model, case: count_case(model, case, rule),
        device=config.device,
        seed=int(config.seed),
        key=key,
        resume=bool(resume),
        threads=config.threads,
        title=name,
    )
    device, quiet = torch_device(config.device), not sys.stderr.isatty()
    network.to(device).eval()
    bar = tqdm(_spread(validation, num_threshold), f"{name} thresholds", disable=quiet)
    chooser = ThreadChooser(config.threads) if device.type == "cpu" else None
    choice = choose_operating_point(
        (predict_lesion_map(network, case, rule, device, threads=chooser), case.lesion_ids[:])
        for case in bar
    )
    print(
        f"{name}: {fitted.steps} steps; on {choice.num_cases} validation scans recall "
        f"{choice.recall:.2f} at {choice.fp_per_scan:.1f} false positives a scan",
        file=sys.stderr,
    )
    save_model(
        folder,
        network,
        name=name,
        settings=settings,
        plan=plan,
        point=choice.point,
        edges_mm=tuple(config.edges_mm),
        training={
            "key": finished,
            "steps": fitted.steps,
            "minutes": round(fitted.seconds / 60, 2),
            "threads": fitted.threads,
            "cut_short": fitted.cut_short,
            "seed": int(config.seed),
            "num_training": len(training),
            "parameters": _num_parameters(network),
            "network": settings,
            "threshold_choice": choice.as_dict(),
            "splits_sha256": splits_sha256,
            **shared,
            "train": shared["train"]
            | {"precision": training_precision(shared["train"]["precision"], device)},
        },
    )


def _spread(cases: list[Case], num: int) -> list[Case]:
    """At most `num` of the cases, evenly spread over the list."""
    return [cases[i * len(cases) // num] for i in range(num)] if num < len(cases) else cases


def _plain(node: DictConfig) -> dict[str, Any]:
    content = OmegaConf.to_container(node, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
