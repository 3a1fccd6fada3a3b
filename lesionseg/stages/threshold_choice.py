"""The thresholds of a trained network, chosen on validation cases."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from lesionseg.errors import UsageError
from lesionseg.inference.class_thresholds import choose_operating_points, maps_and_references
from lesionseg.inference.false_discoveries import patients_needed
from lesionseg.inference.operating_point import Choice
from lesionseg.lesion_classes import LesionClasses
from lesionseg.models.device import torch_device
from lesionseg.models.interface import Network
from lesionseg.models.threads import ThreadChooser
from lesionseg.progress import with_progress
from lesionseg.settings.threshold_rule import FALSE_DISCOVERIES, threshold_rule
from lesionseg.settings.training import TrainSettings
from lesionseg.slabs.slab import SlabRule
from lesionseg.stages.training_request import TrainingRequest
from lesionseg.structures import Case
from lesionseg.wording import counted


def refuse_few_patients(train: TrainSettings, validation: Sequence[Case]) -> None:
    """Raise UsageError where validation is too small for the bound that is asked for."""
    rule = threshold_rule(train.threshold)
    if rule.kind != FALSE_DISCOVERIES:
        return
    chosen = spread(validation, train.threshold_cases)
    found, wanted = len({case.patient for case in chosen}), patients_needed(rule.value)
    if found < wanted:
        raise UsageError(
            f"train.threshold={train.threshold} takes {wanted} validation patients, there are "
            f"{found}; give more, or a larger share of false lesions"
        )


def chosen_thresholds(
    network: Network,
    request: TrainingRequest,
    validation: Sequence[Case],
    rule: SlabRule,
    classes: LesionClasses,
) -> dict[str, Choice]:
    """The operating point of each class, by name. Raises UsageError where a bound on false lesions
    is asked for and none holds."""
    device = torch_device(request.device)
    network.to(device).eval()
    chosen = spread(validation, request.train.threshold_cases)
    threads = ThreadChooser(request.threads) if device.type == "cpu" else None
    found = choose_operating_points(
        (
            maps_and_references(network, case, rule, len(classes), device, threads=threads)
            for case in with_progress(chosen, f"{request.name} thresholds", "scan")
        ),
        threshold_rule(request.train.threshold),
        len(classes),
        [case.patient for case in chosen],
    )
    _refuse_no_bound(request, found)
    return dict(zip(classes.names, found))


def _refuse_no_bound(request: TrainingRequest, found: Sequence[Choice]) -> None:
    """Raise UsageError where a bound was asked for and none holds: a model with other thresholds
    would look like one that has it."""
    if threshold_rule(request.train.threshold).kind != FALSE_DISCOVERIES:
        return
    for choice in found:
        if choice.problem:
            raise UsageError(
                f"{request.name}: train.threshold={request.train.threshold}: {choice.problem}; "
                "give a larger share or another rule, the training itself is kept"
            )


def tell_thresholds(name: str, steps: int, choices: Mapping[str, Choice]) -> None:
    """What a training ended with, in a line."""
    num_cases = next(iter(choices.values())).num_cases
    words = [
        f"{f'{of_class}: ' if len(choices) > 1 else ''}{choice.words}"
        for of_class, choice in choices.items()
    ]
    print(
        f"{name}: {counted(steps, 'step')}; on {counted(num_cases, 'validation scan')} "
        f"{'; '.join(words)}",
        file=sys.stderr,
    )


def spread(cases: Sequence[Case], num: int) -> list[Case]:
    """At most `num` of the cases, evenly spread over the list."""
    return [cases[i * len(cases) // num] for i in range(num)] if num < len(cases) else list(cases)
