"""What an output was made from, part by part, and how one that no longer fits is taken away.

Every stage records the parts that made its output, uses what is there only where all of them are
what it would use now, and takes the old output away before it tries to make a new one. The parts
are kept apart, not as one sum, so that a message can name those that changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lesionseg.errors import OutputError
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.json_file import read_json
from lesionseg.storage.lock import check_still_held

MadeFrom = Mapping[str, str]  # part -> sha256 of it


def made_from(**parts: Any) -> dict[str, str]:
    """The parts of an output, each any plain data, as hashes by name."""
    return {name: sha256_of_json(part) for name, part in parts.items()}


def changed_parts(wanted: MadeFrom, found: MadeFrom | None) -> tuple[str, ...]:
    """Names of the parts that differ from what is wanted; all of them where none are known."""
    if found is None:
        return tuple(wanted)
    names = [*wanted, *(name for name in found if name not in wanted)]
    return tuple(name for name in names if wanted.get(name) != found.get(name))


def read_record(path: Path) -> dict[str, Any] | None:
    """A record that a stage wrote as JSON; None where there is none that can be read."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def recorded_parts(content: Mapping[str, Any] | None) -> MadeFrom | None:
    """The `made_from` of a record; None where it has none."""
    parts = (content or {}).get("made_from")
    return parts if isinstance(parts, dict) else None


def withdraw(paths: Iterable[Path]) -> None:
    """Remove outputs, in this order: first the record, which says that the others are whole.

    Raises OutputError where one cannot be removed, and as `check_still_held` where the run lost its
    output folder.
    """
    for path in paths:
        check_still_held(path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot replace {path.name}: {error.strerror}; choose another output folder"
            ) from error
