"""Every CSV table: written whole or not at all, safe to open in a spreadsheet, read with limits."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from lesionseg.storage.atomic import write_text
from lesionseg.storage.text_file import read_text

if TYPE_CHECKING:  # whoever has such a table has pandas; the others need not load it
    import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a comma-separated table in UTF-8, each by the heads of the first line.

    Raises OSError where it cannot be read, ValueError in one line where it is no such table: a cell
    of over 131,072 letters, a NUL, an open quote, or a row longer or shorter than the heads.
    """
    text = read_text(path)
    if "\0" in text:
        raise ValueError("it holds a NUL")
    try:
        heads, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if uneven := [row for row in rows if row and len(row) != len(heads)]:
        raise ValueError(f"a row has {len(uneven[0])} cells; want {len(heads)}, as its heads")
    return [dict(zip(heads, row)) for row in rows if row]


def write_csv(
    path: Path,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    float_format: str = ".10g",
) -> None:
    """Write a table with one line of heads, atomically.

    Numbers that are not whole are written by `float_format`; undefined ones (NaN, None) are empty
    cells, infinite ones "inf". Text that a spreadsheet would run as a formula gets an apostrophe
    before it, and control characters become spaces, as OWASP advises against CSV injection.
    Raises OutputError where the file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([_cell(head, float_format) for head in heads])
    table.writerows([_cell(value, float_format) for value in row] for row in rows)
    write_text(path, text.getvalue())


def write_frame(path: Path, table: pd.DataFrame, *, float_format: str = ".10g") -> None:
    """Write a pandas table as `write_csv` does, its index left out."""
    rows = table.itertuples(index=False, name=None)
    write_csv(path, list(map(str, table.columns)), rows, float_format=float_format)


def _cell(value: object, float_format: str) -> object:
    if isinstance(value, str):
        text = "".join(c if c.isprintable() else " " for c in value)
        return f"'{text}" if value.startswith(FORMULA_STARTS) else text
    if isinstance(value, Real) and not isinstance(value, Integral):
        return "" if math.isnan(value) else format(float(value), float_format)
    return "" if value is None else value
