"""Files from anywhere: only regular ones are opened, and a text is read up to a limit.

A pipe or a device would be waited for without end, and a text without a limit fills the memory.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import BinaryIO

from lesionseg.storage.text_encoding import decoded

MOST_BYTES = 64 << 20  # of a text, where nothing else is said


def check_regular(path: Path) -> int:
    """The size of a regular file, in bytes; links are followed.

    Raises OSError where it is absent, or anything else: a folder, pipe, socket or device.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return found.st_size


def open_regular(path: Path) -> BinaryIO:
    """A regular file, to read its bytes. Raises OSError for anything else."""
    check_regular(path)
    return path.open("rb")


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """The text of a regular file in UTF-8, or UTF-16 with its mark, without a byte order mark.

    most: bytes it may have. Raises OSError where it cannot be read, ValueError where it is longer
    or is no text.
    """
    path = Path(path)
    size = check_regular(path)
    if size > most:
        raise ValueError(f"it holds {size:,} bytes; want at most {most:,}")
    with open_regular(path) as file:
        content = file.read(most + 1)  # it may have grown
    if len(content) > most:
        raise ValueError(f"it holds over {most:,} bytes; want at most that")
    try:
        return decoded(content)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no {error.encoding.upper()} text at byte {error.start}") from error
