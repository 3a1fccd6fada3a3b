"""SHA-256 of bytes, text, JSON content and files, as hexadecimal text.

They name what an output was made from, so a digest must not change between versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lesionseg.storage.text_file import open_regular

BLOCK = 1 << 20  # bytes read at a time: a scan need not fit into memory


def sha256_of_bytes(*parts: Any) -> str:
    """Of bytes, or anything with their buffer such as a contiguous array, one after another."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


def sha256_of_text(text: str) -> str:
    """Of a text in UTF-8."""
    return sha256_of_bytes(text.encode())


def sha256_of_json(content: Any) -> str:
    """Of plain data as JSON with sorted keys, so that the order of a mapping does not matter.

    Raises TypeError for what JSON cannot hold.
    """
    return sha256_of_text(json.dumps(content, sort_keys=True))


def sha256_of_file(path: Path) -> str:
    """Of a file's content. Raises OSError where it cannot be read."""
    return sha256_of_files([path])


def sha256_of_files(paths: Iterable[Path]) -> str:
    """Of the contents of files, one after another.

    Raises OSError where one is no regular file, or cannot be read.
    """
    total = hashlib.sha256()
    for path in paths:
        with open_regular(path) as file:
            while block := file.read(BLOCK):
                total.update(block)
    return total.hexdigest()
