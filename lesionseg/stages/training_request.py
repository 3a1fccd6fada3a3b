"""The request to train one model, and the keys that identify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lesionseg.inference.model_store import FORMAT
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.planning.plan import Plan
from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.run import Training
from lesionseg.settings.sampling import SamplingRule
from lesionseg.settings.training import TrainSettings
from lesionseg.storage.hashes import sha256_of_json

# of the group train: what may change when a run is resumed, the budget among it
ALTERABLE = (
    "resume",
    "num_workers",
    "steps",
    "minutes",
    "checkpoint_every",
    "validate_every",
    "validation_cases",
    "threshold",
    "threshold_cases",
    "log_every",
)


@dataclass(frozen=True)
class TrainingRequest:
    """All settings and data that one model depends on, planned values filled in.

    settings: of the network, plain data. key: of what a checkpoint goes on from; finished_key: of
    a finished model, with its budget and how its thresholds are chosen.
    """

    name: str
    settings: Mapping[str, Any]
    sampling: SamplingRule
    augmentation: AugmentationRule
    train: TrainSettings
    device: str
    threads: int | str
    seed: int
    edges_mm: tuple[float, ...]
    key: str
    finished_key: str


def training_request(
    name: str,
    wanted: Training,
    plan: Plan,
    *,
    splits_sha256: str,
    seed: int,
    edges_mm: tuple[float, ...],
) -> TrainingRequest:
    """The request for the model `name`. Raises UsageError where the plan has no anchors for it."""
    settings = planned_settings(wanted.network.of(name).plain(), plan.detector)
    sampling, train = wanted.sampling, wanted.train
    if sampling.size is None:
        sampling = sampling.model_copy(update={"size": plan.detector.window_px})
    lasting = {key: value for key, value in train.plain().items() if key not in ALTERABLE}
    asked = {
        "name": name,
        "settings": settings,
        "seed": seed,
        "sampling": sampling.plain(),
        "augmentation": wanted.augmentation.plain(),
        "train": lasting,
    }
    key = sha256_of_json([FORMAT, asked, plan.key, splits_sha256])
    finished = sha256_of_json(
        [
            *(key, train.steps_of(name), train.minutes, train.threshold, train.threshold_cases),
            list(edges_mm),
        ]
    )
    return TrainingRequest(
        name=name,
        settings=settings,
        sampling=sampling,
        augmentation=wanted.augmentation,
        train=train,
        device=wanted.device,
        threads=wanted.threads,
        seed=seed,
        edges_mm=edges_mm,
        key=key,
        finished_key=finished,
    )
