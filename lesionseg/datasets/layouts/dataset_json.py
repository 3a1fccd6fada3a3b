"""The dataset.json that nnU-Net and the Medical Segmentation Decathlon share, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.json_file import read_json

FILE = "dataset.json"
MOST_CHANNELS = 100


@dataclass(frozen=True)
class DatasetJson:
    """channels: by number. labels: name -> values, without the background. order: nnU-Net's
    regions_class_order, the value that marks each label in a mask. content: all of it."""

    channels: tuple[str, ...]
    labels: Mapping[str, tuple[int, ...]]
    order: tuple[int, ...] | None
    ending: str
    content: Mapping[str, Any]


def read_dataset_json(root: Path, wanted: str) -> DatasetJson:
    """Read root/dataset.json. wanted: the kind of folder, for messages.

    Raises NoInputError where there is none, UsageError where it is malformed.
    """
    content = raw_dataset_json(root, wanted)
    try:
        names = _by_number(content.get("channel_names") or content["modality"])
        labels = _labels(content["labels"])
        order = _order(content.get("regions_class_order"))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        problem = f"{root.name}/{FILE} lacks or garbles {error}"
        raise UsageError(f"{problem}; want channel_names and labels as nnU-Net has them") from error
    ending = str(content.get("file_ending", ".nii.gz"))
    ending = f".{ending}" if ending[:1].isalnum() else ending
    if not re.fullmatch(r"(\.[A-Za-z0-9]+)+", ending):
        raise UsageError(f"{root.name}/{FILE} has file_ending '{ending}'; want like '.nii.gz'")
    return DatasetJson(_channels(root, names), labels, order, ending, content)


def raw_dataset_json(root: Path, wanted: str) -> Mapping[str, Any]:
    """Its content as it stands. Raises NoInputError, UsageError."""
    path = root / FILE
    if not path.is_file():
        what = "is no file" if path.exists() or path.is_symlink() else "is missing"
        raise NoInputError(f"no {FILE} in {root.name}, it {what}; want {wanted}")
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{root.name}/{FILE} cannot be read: {reason}; mend it") from error
    if not isinstance(content, dict):
        raise UsageError(f"{root.name}/{FILE} lacks or garbles its names; want {wanted}")
    return content


def _by_number(names: Any) -> list[Any]:
    """The channels of {"0": "FLAIR", "1": "T1"}, or of "0000", "0001", in their order."""
    if isinstance(names, list):
        return names
    numbered = {int(key): name for key, name in names.items()}
    if len(numbered) < len(names):
        raise ValueError("channel numbers given twice")
    if absent := set(range(len(numbered))) - set(numbered):
        raise KeyError(str(min(absent)))
    return [numbered[index] for index in range(len(numbered))]


def _channels(root: Path, names: Sequence[Any]) -> tuple[str, ...]:
    if not 0 < len(names) <= MOST_CHANNELS:
        problem = f"names {len(names)} channels" if names else "names no channel"
        raise UsageError(f"{root.name}/{FILE} {problem}; want 1 to {MOST_CHANNELS}")
    good = [name for name in names if isinstance(name, str) and name and name.isprintable()]
    if len(set(good)) < len(names):
        raise UsageError(f"{root.name}/{FILE} has channels {list(names)}; want a name for each")
    return tuple(good)


def _labels(raw: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """name -> values. Version 2 has name: value or name: [values], version 1 value: name; numbers
    may be written as text."""
    labels = {}
    for key, value in raw.items():
        if isinstance(value, str) and not _is_number(value):
            key, value = value, key
        several = value if isinstance(value, list) else [value]
        values = tuple(int(v) for v in several)
        if any(type(v) in (bool, float) for v in several):
            raise ValueError(f"label {key!r}: {value}")
        if key != "background" and values != (0,):
            labels[key] = values
    return labels


def _order(raw: Any) -> tuple[int, ...] | None:
    if raw is None:
        return None
    if any(type(value) is not int for value in raw):
        raise ValueError(f"regions_class_order: {raw}")
    return tuple(raw)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,9}", text.strip()) is not None
