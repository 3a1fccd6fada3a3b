"""The request to train one model, and the parts that it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesionseg.inference.model_store import FORMAT
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.planning.block_plan import with_blocks
from lesionseg.planning.plan import Plan
from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.network import BLOCKS
from lesionseg.settings.run import Training
from lesionseg.settings.sampling import SamplingRule
from lesionseg.settings.training import TrainSettings
from lesionseg.storage.provenance import MadeFrom, made_from

# of the group train: what does not make other weights, and the budget, a part of its own
NO_PART = (
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

    settings: of the network, plain data. weights_from: what its weights are made from: settings,
    budget, plan, and the content of the training and validation cases. model_from: that, and what
    its thresholds are made from.
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
    weights_from: MadeFrom
    model_from: MadeFrom


def training_request(
    name: str,
    wanted: Training,
    plan: Plan,
    *,
    splits_sha256: str,
    cases_sha256: str,
    seed: int,
    edges_mm: tuple[float, ...],
    members_sha256: Sequence[str] = (),
) -> TrainingRequest:
    """The request for the model `name`. Raises UsageError where the plan has no anchors for it.

    cases_sha256: of all that the training and validation cases were made from. members_sha256: of
    the weights that a fusion joins.
    """
    sampling, train = wanted.sampling, wanted.train
    window_px = sampling.size or plan.detector.window_px
    sampling = sampling.model_copy(update={"size": window_px})
    settings = planned_settings(wanted.network.of(name).plain(), plan.detector)
    if name == BLOCKS:
        settings = with_blocks(settings, plan, window_px)
        sampling = sampling.model_copy(
            update={"size": settings["window_px"], "batch_size": settings["batch_size"]}
        )
    weights_from = made_from(
        format=FORMAT,
        network=[name, settings],
        seed=seed,
        sampling=sampling.plain(),
        augmentation=wanted.augmentation.plain(),
        train={key: value for key, value in train.plain().items() if key not in NO_PART},
        budget=[train.steps_of(name), train.minutes],
        plan=plan.key,
        splits=splits_sha256,
        cases=cases_sha256,
        **({"members": list(members_sha256)} if members_sha256 else {}),
    )
    thresholds_from = made_from(
        thresholds=[train.threshold, train.threshold_cases], edges_mm=list(edges_mm)
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
        weights_from=weights_from,
        model_from=weights_from | thresholds_from,
    )
