"""The files that a stage wrote into a folder which may hold other people's too.

A JSON file in the folder lists them before they are written, so that the next attempt can remove
just those, also after a stage that was killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from lesionseg.errors import OutputError, UsageError
from lesionseg.storage.json_file import read_json, write_json
from lesionseg.storage.lock import check_still_held
from lesionseg.storage.safe_path import path_inside


def announce_files(folder: Path, record: str, names: Iterable[str]) -> None:
    """Add files that are about to be written to the folder's list; `/` separates its folders.

    record: name of the list. Raises OutputError where it cannot be written.
    """
    listed = dict.fromkeys([*listed_files(folder, record), *names])
    write_json(folder / record, {"files": list(listed)})


def withdraw_files(folder: Path, record: str) -> None:
    """Remove the files that the list names, folders that are empty then, and the list itself.

    Nothing outside the folder is touched, whatever the list says. Raises OutputError where a file
    cannot be removed.
    """
    emptied: set[Path] = set()
    for name in listed_files(folder, record):
        try:
            path = path_inside(folder, name)
        except UsageError:
            continue
        try:
            if path.is_file():
                check_still_held(path)
                path.unlink(missing_ok=True)  # another run may withdraw them at this moment
                emptied |= set(path.parents) - {folder, *folder.parents}
        except OSError as error:
            raise OutputError(
                f"cannot replace {path.name}: {error.strerror}; choose another output folder"
            ) from error
    for below in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # it holds somebody else's files
            below.rmdir()
    (folder / record).unlink(missing_ok=True)


def listed_files(folder: Path, record: str) -> list[str]:
    """What the list names; nothing where it is absent or garbled."""
    try:
        content = read_json(folder / record)
    except (OSError, ValueError):
        return []
    names = content.get("files") if isinstance(content, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
