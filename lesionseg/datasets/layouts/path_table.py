"""A CSV or TSV table of paths: columns case, patient, split, mask, and one for each channel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from lesionseg.datasets.layouts.scan_files import (
    SPLIT_WORDS,
    Layout,
    ScanFiles,
    Split,
    check_case_id,
    patient_of,
    scans_found,
    validation_words,
    whole,
)
from lesionseg.datasets.layouts.table_columns import RATER, Columns, find_columns
from lesionseg.datasets.layouts.table_rows import Row, read_table
from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.safe_path import path_within


def read_path_table(
    table: Path,
    *,
    patient: str | None = None,
    consensus: str = "majority",
    mask: str | None = None,
    masks: bool = True,
    channels: Sequence[str] | None = None,
) -> Layout:
    """The scans of a table; its paths are relative to the folder it lies in, or absolute within it.

    Empty cells of patient, split and mask are left to their defaults: as in `patient_of`, train, no
    mask. mask: the column of the lesion masks, where its head does not say so. masks: as in
    `whole`; without them it need not be told which column is of the lesions.
    channels: the columns of images that are wanted; by default all.
    Raises NoInputError where it cannot be opened or has no row, UsageError for a table that lacks
    columns, names a case twice or a path outside its folder, and where it cannot be told which
    column is of the lesions.
    """
    table = Path(table)
    heads, rows = read_table(table)
    if not rows and heads:
        raise NoInputError(f"{table.name} has no row below its heads; want one a scan")
    columns = find_columns(table, heads, rows, mask, masks=masks)
    if channels is not None:
        columns = dataclasses.replace(columns, channels=tuple(channels))
    found = list(_scans(table, rows, columns, patient, consensus))
    scans, rejected = whole(table.parent, found, columns.channels, masks=masks)
    words = scans_found(f"table of paths ({table.name})", scans, rejected)
    if columns.split:
        words += validation_words(row[columns.split] for row in rows)
    if columns.unread:
        words += f"; columns that are not read: {', '.join(columns.unread)}"
    of_masks = [columns.mask] if columns.mask else list(columns.raters)
    return Layout(
        scans,
        rejected,
        columns.channels,
        found=words,
        masks=f"column {', '.join(of_masks)}" if of_masks else "",
    )


def _scans(
    table: Path, rows: Sequence[Row], columns: Columns, patient: str | None, consensus: str
) -> Iterator[ScanFiles]:
    root, seen = table.parent, set()
    for row in rows:
        place = f"{table.name}, row {row.number}"
        case = row.cells[columns.case].strip()
        check_case_id(case, place)
        if case in seen:
            raise UsageError(f"{place} names case {case} a second time; want a column case")
        seen.add(case)
        empty = [channel for channel in columns.channels if not row[channel]]
        if empty and len(rows) == sum(not one[empty[0]] for one in rows):
            raise UsageError(f"{place} has no path for {empty[0]}")
        yield ScanFiles(
            case,
            row[columns.patient or ""] or patient_of(case, patient),
            _split(row[columns.split or ""], place),
            tuple(
                path_within(root, row[channel]) if row[channel] else root / f"no path in {place}"
                for channel in columns.channels
            ),
            path_within(root, row[columns.mask]) if columns.mask and row[columns.mask] else None,
            raters=tuple(
                (head[len(RATER) :], path_within(root, row[head]))
                for head in columns.raters
                if row[head]
            ),
            consensus=consensus,
        )


def _split(word: str, place: str) -> Split:
    word = word.lower() or "train"
    if word not in SPLIT_WORDS:
        raise UsageError(f"{place} has split '{word}'; want train, val or test")
    return SPLIT_WORDS[word]
