"""Tables as CSV and JSON, safe to open in a spreadsheet."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lesionseg.storage.atomic import write_text

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically; undefined numbers are empty cells, infinite ones "inf".

    Text that a spreadsheet would run as a formula gets an apostrophe before it, and control
    characters become spaces, as OWASP advises against CSV injection.
    """
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]) and safe[name].dtype != bool:
            safe[name] = [_safe(value) for value in safe[name]]
    write_text(path, safe.to_csv(index=False, lineterminator="\n", float_format="%.10g"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON atomically; undefined numbers are null, infinite ones the string "inf"."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = "".join(c if c.isprintable() else " " for c in value)
    return f"'{text}" if value.startswith(FORMULA_STARTS) else text


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
