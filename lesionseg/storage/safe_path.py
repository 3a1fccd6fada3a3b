"""Paths that a data file names must stay below the folder they are relative to."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from lesionseg.errors import UsageError


def path_inside(root: Path, relative: str) -> Path:
    """`root / relative`, for a path written in a dataset.json, a table, a header or a data card.

    Both slashes separate folders. Raises UsageError where it is absolute, has a drive, a server or
    "..", or a symbolic link on the way leads out of `root`. The file need not exist.
    """
    pure = PurePosixPath(relative.replace("\\", "/"))
    outside = pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", relative)
    if outside or not pure.parts or not relative.isprintable():
        raise UsageError(
            f"path {relative!a} leaves the data folder; want one relative to it, below it"
        )
    path = Path(root) / pure
    try:
        escapes = not path.resolve().is_relative_to(Path(root).resolve())
    except (OSError, RuntimeError) as error:  # links in a circle
        raise UsageError(f"path {relative!a} cannot be followed; mend its links") from error
    if escapes:
        raise UsageError(
            f"path {relative!a} leaves the data folder by a symbolic link; copy the file into it"
        )
    return path


def path_within(root: Path, text: str) -> Path:
    """As `path_inside`, for lists that name their files by absolute paths, too: one that lies below
    `root` is taken as relative to it. Raises UsageError as `path_inside` does."""
    if "\0" not in text and os.path.isabs(text):
        for turned in (os.path.abspath, os.path.realpath):
            base, path = turned(root), turned(text)
            if Path(path).is_relative_to(base) and path != base:
                return path_inside(root, Path(path).relative_to(base).as_posix())
    return path_inside(root, text)
