"""The settings of a stage as its files and the records make them, without Hydra.

Help needs them at once, and Hydra takes a while to load. A test holds both against each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from lesionseg.composing.nodes import BASES, GROUPS, node
from lesionseg.settings.merging import merged

HERE = "_here_"


def composed(stage: str) -> dict[str, Any]:
    """All settings of a stage as plain data; ??? where the user has to give a value."""
    return _compose("", stage)


def command(stage: str) -> tuple[str, ...]:
    """The first lines of the stage's file: the commands that run it."""
    lines = _text("", stage) or ""
    found = re.match(r"(?:# .*\n)*", lines)
    return tuple(line[2:] for line in found.group(0).splitlines()) if found else ()


def options(group: str) -> tuple[str, ...]:
    """The options of a group that a user may choose."""
    names = {*GROUPS.get(group, {})}
    folder = resources.files("lesionseg.conf").joinpath(group)
    if folder.is_dir():
        files = (entry.name for entry in folder.iterdir())
        names |= {name.removesuffix(".yaml") for name in files if name.endswith(".yaml")}
    return tuple(sorted(names - set(BASES))) or tuple(sorted(names))


def chosen_groups(stage: str) -> dict[str, tuple[str, str]]:
    """Of each group that a stage lets the user choose: (group, the option chosen) by its place."""
    found: dict[str, tuple[str, str]] = {}
    for entry in _content("", stage).get("defaults", []):
        if isinstance(entry, Mapping):
            ((words, option),) = entry.items()
            group, _, place = str(words).partition("@")
            found[place or group] = (group, str(option))
        elif entry != "_self_" and node("", entry) is None:
            found = chosen_groups(entry) | found
    return found


def _compose(group: str, option: str) -> dict[str, Any]:
    own = _content(group, option)
    base = node(group, option) if not own else None
    if base is not None:
        return base
    made: dict[str, Any] = {}
    entries = own.get("defaults", ["_self_"])
    for entry in entries if "_self_" in entries else [*entries, "_self_"]:
        if entry == "_self_":
            settings = {key: value for key, value in own.items() if key != "defaults"}
            made = merged(made, settings)
            continue
        if isinstance(entry, Mapping):
            ((words, name),) = entry.items()
            below, _, place = str(words).partition("@")
            below, place = below.removeprefix("/"), place or below
        else:
            name, _, place = str(entry).partition("@")
            below, place = group, HERE
        made = merged(made, _at(place, _compose(below, str(name))))
    return made


def _at(place: str, content: dict[str, Any]) -> dict[str, Any]:
    for part in () if place == HERE else reversed(place.split(".")):
        content = {part: content}
    return content


def _content(group: str, option: str) -> dict[str, Any]:
    text = _text(group, option)
    return (yaml.safe_load(text) or {}) if text else {}


@cache
def _text(group: str, option: str) -> str | None:
    file = resources.files("lesionseg.conf").joinpath(group, f"{option}.yaml")
    return file.read_text(encoding="utf-8") if file.is_file() else None
