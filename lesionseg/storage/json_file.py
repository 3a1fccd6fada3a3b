"""JSON for people and other tools: no value that strict readers refuse, limits on what is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesionseg.storage.atomic import write_text
from lesionseg.storage.text_file import MOST_BYTES, read_text

MOST_DEPTH = 50  # of lists and mappings in each other
TOO_DEEP = f"it is nested deeper than {MOST_DEPTH} levels"


def read_json(path: Path, *, most: int = MOST_BYTES) -> Any:
    """The content of a JSON file.

    most: bytes it may have. Raises OSError where it cannot be read, ValueError in one line where it
    is too long, no JSON, nested too deeply, or gives a key twice.
    """
    return parse_json(read_text(path, most=most))


def parse_json(text: str) -> Any:
    """Plain data from JSON text. Raises ValueError as `read_json`."""
    try:
        content = json.loads(text, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    level = [content] if isinstance(content, (dict, list)) else []
    for _ in range(MOST_DEPTH):
        parts = [part.values() if isinstance(part, dict) else part for part in level]
        level = [one for part in parts for one in part if isinstance(one, (dict, list))]
        if not level:
            return content
    raise ValueError(TOO_DEEP)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of the pairs; JSON itself would silently keep the last of two equal keys."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice[:40]!r} is given twice")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON atomically; undefined numbers are null, infinite ones the string "inf"."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{'-' if value < 0 else ''}inf"
    return value
