"""The rows of a CSV or TSV table as people, spreadsheets and pandas write it."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.text_encoding import decoded

DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}
MOST_BYTES = 100_000_000
NOT_KNOWN = frozenset(("nan", "na", "n/a", "#n/a", "<na>", "nat", "none", "null", "-"))


@dataclass(frozen=True)
class Row:
    """A row by its heads. number: its line as a spreadsheet counts, the heads being 1."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, head: str) -> str:
        """The cell without space around it; empty where it is missing or says "not known"."""
        text = self.cells.get(head, "").strip()
        return "" if text.lower() in NOT_KNOWN else text


def read_table(table: Path) -> tuple[list[str], list[Row]]:
    """The heads and rows of a CSV or TSV table in UTF-8 or UTF-16.

    Empty rows are left out, and columns of numbers without a head, as pandas writes its index.
    Raises NoInputError where it cannot be opened, UsageError where it is no table, names a column
    twice or has other cells in a row than heads.
    """
    lines = _lines(table)
    heads = _heads(table, lines)
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if any(cell.strip() for cell in line[len(heads) :]):
            raise UsageError(f"{table.name}, row {number} has more cells than there are heads")
        cells = list(itertools.zip_longest(heads, line[: len(heads)], fillvalue=""))
        if lost := [cell for head, cell in cells if not head and not _is_index(cell)]:
            raise UsageError(f"{table.name}, row {number} has '{lost[0][:40]}' below no head")
        if any(cell.strip() for head, cell in cells if head):
            rows.append(Row(number, {head: cell for head, cell in cells if head}))
    return [head for head in heads if head], rows


def _is_index(cell: str) -> bool:
    return not cell.strip() or cell.strip().isdecimal()


def read_heads(table: Path) -> list[str]:
    """The column names of a table, whatever its rows are; none where it is no table."""
    try:
        return [head for head in _heads(table, _lines(table)) if head]
    except (NoInputError, UsageError):
        return []


def _heads(table: Path, lines: Sequence[list[str]]) -> list[str]:
    heads = [head.strip() for head in lines[0]] if lines else []
    named = [head for head in heads if head]
    if len(set(named)) < len(named) or not all(head.isprintable() for head in named):
        raise UsageError(f"{table.name} has columns {heads}; want each named, and once")
    return heads


def _lines(table: Path) -> Sequence[list[str]]:
    if not table.is_file():  # opening a pipe would wait for ever
        raise NoInputError(f"{table.name} cannot be read: it is missing or no file")
    try:
        if table.stat().st_size > MOST_BYTES:
            raise UsageError(f"{table.name} has over {MOST_BYTES} bytes; want a table of paths")
        text = decoded(table.read_bytes())
        first = text.partition("\n")[0]
        delimiter = max(DELIMITERS.get(table.suffix.lower(), ","), key=first.count)
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NoInputError(f"{table.name} cannot be read: {reason}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{table.name} is no table: {error}; want UTF-8 CSV or TSV") from error
