"""plan.yaml: written for people, read back by every later stage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lesionseg.errors import UsageError
from lesionseg.lesion_classes import classes_from
from lesionseg.planning.anchor_plan import detector_content, detector_from
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import LesionSizes, Plan
from lesionseg.planning.training_scans import scans_from
from lesionseg.settings.messages import checked
from lesionseg.settings.stored_plan import StoredPlan
from lesionseg.storage.atomic import write_text
from lesionseg.storage.yaml_file import read_yaml

HEADER = """\
# How scans are preprocessed, and why. Made by lesionseg from the training scans; prediction uses it
# as it stands here. `reasons` is for people, the rest is what is done.
"""


class _OneLine(list[Any]):
    """A list that YAML writes in one line."""


class _PlanDumper(yaml.SafeDumper):
    pass


_PlanDumper.add_representer(
    _OneLine,
    lambda dumper, rows: dumper.represent_sequence("tag:yaml.org,2002:seq", rows, flow_style=True),
)


def write_plan(path: Path, plan: Plan) -> None:
    """Write plan.yaml, atomically."""
    content = plan_content(plan)
    anchors = content["detector"]["anchors"]
    content["lesion_classes"]["classes"] = [
        one | {"values": _OneLine(one["values"])} for one in content["lesion_classes"]["classes"]
    ]
    content["detector"]["anchors"] = {
        stride: [_OneLine(level) for level in levels] for stride, levels in anchors.items()
    }
    text = yaml.dump(content, Dumper=_PlanDumper, sort_keys=False, width=100)
    write_text(path, HEADER + text)


def read_plan(path: Path) -> Plan:
    """Read plan.yaml. Raises UsageError where it is absent or not a plan."""
    path = Path(path)
    if not path.exists():
        problem = f"there is none in {path.parent.name}; run lesionseg preprocess first"
        raise UsageError(f"{path.name} is not a plan: {problem}")
    try:
        return plan_from(read_yaml(path, path.name))
    except (UsageError, AttributeError, KeyError, TypeError) as error:
        problem = " ".join(str(error).split())
        raise UsageError(f"{path.name} is not a plan: {problem}; run preprocess again") from error


def plan_content(plan: Plan) -> dict[str, Any]:
    """The plan as plain data, for YAML and JSON. Inverse: plan_from."""
    content = dataclasses.asdict(plan) | {"detector": detector_content(plan.detector)}
    content["lesion_classes"] = plan.lesion_classes.as_data
    plain: dict[str, Any] = json.loads(json.dumps(content))  # tuples to lists
    return plain


def _channel_from(content: Mapping[str, Any]) -> ChannelPlan:
    channel = ChannelPlan(**content)
    numbers = (channel.mean, channel.std)
    known = channel.normalisation in ("zscore", "cohort")
    if not known or (channel.normalisation == "cohort" and None in numbers):
        raise KeyError(f"channel {channel.name} is normalised by {channel.normalisation}")
    return channel


def plan_from(content: Mapping[str, Any]) -> Plan:
    """Inverse of plan_content. Raises UsageError for a value that does not fit, KeyError for
    channels whose normalisation lacks a number."""
    fields = checked(StoredPlan, content, "plan").plain()
    channels = tuple(_channel_from(channel) for channel in fields.pop("channels"))
    lesions = dict(fields.pop("lesions"))
    lesions["volume_mm3_percentiles"] = tuple(lesions["volume_mm3_percentiles"])
    scans = scans_from(fields.pop("scans"), len(channels))
    detector = detector_from(fields.pop("detector"))
    found = fields.pop("lesion_classes")
    try:
        classes = classes_from(found)
    except ValueError as error:
        raise UsageError(f"lesion classes: {error}") from error
    return Plan(
        channels=channels,
        lesions=LesionSizes(**lesions),
        detector=detector,
        lesion_classes=classes,
        scans=scans,
        **fields,
    )
