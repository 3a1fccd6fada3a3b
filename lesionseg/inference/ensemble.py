"""Several models of one kind, like those of the folds of a cross-validation, as one model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.score_calibration import mean_curve
from lesionseg.models.threads import ThreadChooser
from lesionseg.planning.plan import Plan
from lesionseg.planning.training_scans import joined_scans
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.structures import OperatingPoint

AGREED = ("is", "tells apart", "reads", "scores lesions by")
SAID = ("problem", "of_all")  # of a choice of thresholds: empty where there is nothing to say


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Models whose answers are joined, see `member_maps`; all read the same channels.

    plan: the first member's, with what the training scans of all had in common; each member
    prepares a scan by its own. points: by lesion class, the mean of the members' own thresholds and
    calibrations, which no scan has judged for the ensemble.
    """

    members: tuple[LoadedModel, ...]
    plan: Plan
    points: tuple[OperatingPoint, ...]

    @property
    def name(self) -> str:
        """Of the network that all members are."""
        return self.members[0].name

    @property
    def edges_mm(self) -> tuple[float, ...]:
        """The first member's."""
        return self.members[0].edges_mm

    @property
    def threads(self) -> ThreadChooser | None:
        """The first member's, which stands for all in messages; each has its own."""
        return self.members[0].threads

    @property
    def weights_sha256(self) -> str:
        """Of the hashes of all members' weights, in order; so the two below."""
        return sha256_of_json([one.weights_sha256 for one in self.members])

    @property
    def settings_sha256(self) -> str:
        return sha256_of_json([one.settings_sha256 for one in self.members])

    @property
    def plan_sha256(self) -> str:
        return sha256_of_json([one.plan_sha256 for one in self.members])

    @property
    def training(self) -> Mapping[str, Any]:
        """That of all members: a list of values where they differ."""
        trained = [one.training for one in self.members]
        chosen = [one.get("threshold_choice", {}) for one in trained]
        choices = {name: _joined_choice([one[name] for one in chosen]) for name in chosen[0]}
        together = {"members": len(self.members)} | _together(trained)
        return together | {"threshold_choice": choices}


Model = LoadedModel | Ensemble


def ensemble_of(members: Mapping[str, LoadedModel]) -> Ensemble:
    """One model of several. members: by what messages call them.

    Raises UsageError where they are networks of different kinds, tell other lesion classes apart,
    read other channels, or score lesions otherwise.
    """
    names, models = list(members), list(members.values())
    for name, model in members.items():
        for what, one, other in zip(AGREED, _agreed(model), _agreed(models[0])):
            if one != other:
                raise UsageError(
                    f"model {name} {what} {one}, model {names[0]} {other}; the members of an "
                    "ensemble must agree"
                )
    scans = joined_scans([one.plan.scans for one in models])
    return Ensemble(
        members=tuple(models),
        plan=dataclasses.replace(models[0].plan, scans=scans),
        points=tuple(
            OperatingPoint(
                sum(point.voxel_threshold for point in own) / len(own),
                sum(point.score_threshold for point in own) / len(own),
                mean_curve([point.calibration for point in own]),
            )
            for own in zip(*(one.points for one in models), strict=True)
        ),
    )


def single(model: Model, name: str) -> LoadedModel:
    """A model that is one network. name: what messages call it. Raises UsageError for an
    ensemble."""
    if isinstance(model, Ensemble):
        raise UsageError(
            f"model {name} is an ensemble of {len(model.members)}; want one network, like the "
            "folder of a member"
        )
    return model


def _agreed(model: LoadedModel) -> tuple[str, str, str, str]:
    """What members of an ensemble have in common, in words."""
    classes = model.plan.lesion_classes
    regions = "regions " if classes.regions else ""
    return (
        f"a {model.name}",
        f"{regions}{', '.join(one.words for one in classes.classes)}",
        ", ".join(f"{one.name} ({one.modality})" for one in model.plan.channels),
        getattr(model.network, "scored_by", "peak"),
    )


def _together(values: Sequence[Any]) -> Any:
    """What all have in common, name by name; a list of the values where they differ."""
    if all(isinstance(value, Mapping) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: _together([value.get(name) for value in values]) for name in names}
    return values[0] if all(value == values[0] for value in values) else list(values)


def _joined_choice(choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the thresholds of one class were chosen: the mean of the false positives a scan, and the
    first problem that there was."""
    return _together(choices) | {
        "fp_per_scan": sum(one["fp_per_scan"] for one in choices) / len(choices),
        **{key: next(filter(None, (one[key] for one in choices)), "") for key in SAID},
    }
