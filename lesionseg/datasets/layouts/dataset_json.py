"""The dataset.json that nnU-Net and the Medical Segmentation Decathlon share, read once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionseg.errors import NoInputError, UsageError

FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetJson:
    """channels: by number. labels: name -> values, without the background. content: all of it."""

    channels: tuple[str, ...]
    labels: Mapping[str, tuple[int, ...]]
    ending: str
    content: Mapping[str, Any]


def read_dataset_json(root: Path, wanted: str) -> DatasetJson:
    """Read root/dataset.json. wanted: the kind of folder, for messages.

    Raises NoInputError where there is none, UsageError where it is malformed.
    """
    content = raw_dataset_json(root, wanted)
    try:
        names = content.get("channel_names") or content["modality"]
        channels = tuple(names[str(index)] for index in range(len(names)))
        labels = _labels(content["labels"])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        problem = f"{root.name}/{FILE} lacks or garbles {error}"
        raise UsageError(f"{problem}; want channel_names and labels as nnU-Net has them") from error
    ending = str(content.get("file_ending", ".nii.gz"))
    if not re.fullmatch(r"(\.[A-Za-z0-9]+)+", ending):
        raise UsageError(f"{root.name}/{FILE} has file_ending '{ending}'; want like '.nii.gz'")
    if not channels:
        raise UsageError(f"{root.name}/{FILE} names no channel")
    good = [name for name in channels if isinstance(name, str) and name and name.isprintable()]
    if len(set(good)) < len(channels):
        raise UsageError(f"{root.name}/{FILE} has channels {list(channels)}; want a name for each")
    return DatasetJson(channels, labels, ending, content)


def raw_dataset_json(root: Path, wanted: str) -> Mapping[str, Any]:
    """Its content as it stands. Raises NoInputError, UsageError."""
    try:
        content = json.loads((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoInputError(f"no {FILE} in {root.name}; want {wanted}") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{root.name}/{FILE} cannot be read: {reason}; mend it") from error
    if not isinstance(content, dict):
        raise UsageError(f"{root.name}/{FILE} lacks or garbles its names; want {wanted}")
    return content


def _labels(raw: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """name -> values. Version 2 has name: value or name: [values], version 1 value: name."""
    labels = {}
    for key, value in raw.items():
        if isinstance(value, str):
            key, value = value, key
        values = tuple(int(v) for v in (value if isinstance(value, list) else [value]))
        if any(type(v) in (bool, float) for v in (value if isinstance(value, list) else [value])):
            raise ValueError(f"label {key!r}: {value}")
        if key != "background" and values != (0,):
            labels[key] = values
    return labels
