"""Every CSV table: written whole or not at all, safe to open in a spreadsheet, read with limits."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from lesionseg.storage.atomic import replacing
from lesionseg.storage.text_file import read_text

if TYPE_CHECKING:  # whoever has such a table has pandas; the others need not load it
    import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a comma-separated table, each by the heads of the first line.

    Raises OSError and ValueError as `read_cells`, and ValueError for a row longer or shorter than
    the heads.
    """
    heads, *rows = read_cells(path) or [[]]
    if uneven := [row for row in rows if row and len(row) != len(heads)]:
        raise ValueError(f"a row has {len(uneven[0])} cells; want {len(heads)}, as its heads")
    return [dict(zip(heads, row)) for row in rows if row]


def read_cells(path: Path, *, delimiters: str = ",") -> list[list[str]]:
    """The cells of a table, line by line.

    delimiters: letters that may stand between cells; the one that the first line has most of is
    taken. Raises OSError where it cannot be read, ValueError in one line where it is no table: a
    cell of over 131,072 letters, a NUL or an open quote.
    """
    text = _table_text(path)
    delimiter = max(delimiters, key=text.partition("\n")[0].count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def read_frame(path: Path) -> pd.DataFrame:
    """A comma-separated table as pandas reads it. Raises OSError, and ValueError for no table."""
    import pandas as pd

    return pd.read_csv(io.StringIO(_table_text(path)))


def write_csv(
    path: Path,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    float_format: str = ".10g",
    delimiter: str = ",",
) -> None:
    """Write a table with one line of heads, atomically, row by row as they come.

    Numbers that are not whole are written by `float_format`; undefined ones (NaN, None) are empty
    cells, infinite ones "inf". Text that a spreadsheet would run as a formula gets an apostrophe
    before it, and control characters become spaces, as OWASP advises against CSV injection.
    Raises OutputError where the file cannot be written.
    """
    with (
        replacing(path) as partial,
        open(partial, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        table = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        table.writerow([_cell(head, float_format) for head in heads])
        table.writerows([_cell(value, float_format) for value in row] for row in rows)


def write_frame(path: Path, table: pd.DataFrame, *, float_format: str = ".10g") -> None:
    """Write a pandas table as `write_csv` does, its index left out."""
    rows = table.itertuples(index=False, name=None)
    write_csv(path, list(map(str, table.columns)), rows, float_format=float_format)


def _table_text(path: Path) -> str:
    text = read_text(path)
    if "\0" in text:
        raise ValueError("it holds a NUL")
    return text


def cell_text(value: str) -> str:
    """A text as `write_csv` has it in a cell."""
    text = "".join(c if c.isprintable() else " " for c in value)
    return f"'{text}" if value.startswith(FORMULA_STARTS) else text


def _cell(value: object, float_format: str) -> object:
    if isinstance(value, str):
        return cell_text(value)
    if isinstance(value, Real) and not isinstance(value, Integral):
        return "" if math.isnan(value) else format(float(value), float_format)
    return "" if value is None else value
