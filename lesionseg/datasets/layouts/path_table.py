"""A CSV or TSV table of paths: columns case, patient, split, mask, and one for each channel."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.layouts.scan_files import (
    SPLIT_WORDS,
    Layout,
    ScanFiles,
    Split,
    check_case_id,
    counted,
    patient_of,
    whole,
)
from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.safe_path import path_inside

OWN = ("case", "patient", "split", "mask")
RATER = "mask_"  # a column mask_NAME holds the mask of rater NAME
DELIMITERS = {".csv": ",;", ".tsv": "\t"}
WANTED = "columns case, one a channel, and any of patient, split, mask"


def read_path_table(
    table: Path,
    *,
    patient: str | None = None,
    consensus: str = "majority",
    mask: str | None = None,
) -> Layout:
    """The scans of a table; its paths are relative to the folder it lies in.

    Empty cells of patient, split and mask are left to their defaults: as in `patient_of`, train, no
    mask. Raises NoInputError where it cannot be opened or has no row, UsageError for a table that
    lacks columns, names a case twice or a path outside its folder.
    """
    table = Path(table)
    heads, rows = read_rows(table)
    channels = tuple(h for h in heads if h not in OWN and not h.startswith(RATER))
    raters = tuple(h for h in heads if h.startswith(RATER))
    if "case" not in heads or not channels:
        raise UsageError(f"{table.name} has columns {heads}; want {WANTED}")
    found = list(_scans(table, rows, channels, raters, patient, consensus))
    if not found:
        raise NoInputError(f"{table.name} has no row below its heads; want one a scan")
    scans, rejected = whole(table.parent, found, channels)
    words = counted(f"table of paths ({table.name})", scans, rejected)
    return Layout(scans, rejected, channels, found=words)


def table_heads(table: Path) -> list[str]:
    """The column names of a table; none where it is no table."""
    try:
        return read_rows(table, only_heads=True)[0]
    except (NoInputError, UsageError):
        return []


def read_rows(table: Path, only_heads: bool = False) -> tuple[list[str], list[dict[str, str]]]:
    """The heads and rows of a CSV or TSV table. Raises NoInputError where it cannot be opened,
    UsageError where it is no table."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiters = DELIMITERS.get(table.suffix.lower(), ",")
            delimiter = max(delimiters, key=first.count)
            reader = csv.DictReader(file, delimiter=delimiter, restkey="", restval="", strict=True)
            heads = [_own(head.strip()) for head in reader.fieldnames or []]
            reader.fieldnames = heads
            rows = [] if only_heads else list(reader)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NoInputError(f"{table.name} cannot be read: {reason}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{table.name} is no table: {error}; want UTF-8 CSV or TSV") from error
    if len(set(heads)) < len(heads) or "" in heads:
        raise UsageError(f"{table.name} has columns {heads}; want each named, and once")
    return heads, rows


def _own(head: str) -> str:
    """A head in lower case where it is one of ours: a "Mask" must not be taken for a channel."""
    if head.lower().startswith(RATER):
        return RATER + head[len(RATER) :]
    return head.lower() if head.lower() in OWN else head


def _scans(
    table: Path,
    rows: Sequence[Mapping[str, str]],
    channels: Sequence[str],
    raters: Sequence[str],
    patient: str | None,
    consensus: str,
) -> Iterator[ScanFiles]:
    root, seen = table.parent, set()
    for number, row in enumerate(rows, 2):
        if row.get(""):
            raise UsageError(f"{table.name}, row {number} has more cells than there are heads")
        case = row["case"].strip()
        check_case_id(case, f"{table.name}, row {number}")
        if case in seen:
            raise UsageError(f"{table.name}, row {number} names case {case} a second time")
        seen.add(case)
        empty = [channel for channel in channels if not row[channel].strip()]
        if empty:
            raise UsageError(f"{table.name}, row {number} has no path for {empty[0]}")
        masks = {head: row[head].strip() for head in ("mask", *raters) if row.get(head, "").strip()}
        yield ScanFiles(
            case,
            row.get("patient", "").strip() or patient_of(case, patient),
            _split(row.get("split", ""), f"{table.name}, row {number}"),
            tuple(path_inside(root, row[channel].strip()) for channel in channels),
            path_inside(root, masks["mask"]) if "mask" in masks else None,
            raters=tuple(
                (head.removeprefix(RATER), path_inside(root, masks[head]))
                for head in raters
                if head in masks and "mask" not in masks
            ),
            consensus=consensus,
        )


def _split(word: str, place: str) -> Split:
    word = word.strip().lower() or "train"
    if word not in SPLIT_WORDS:
        raise UsageError(f"{place} has split '{word}'; want train or test")
    return SPLIT_WORDS[word]
