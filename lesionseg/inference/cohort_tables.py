"""Two tables over all scans of a folder of predictions: a row a lesion, and a row a scan.

They are made from the files of each scan, one after the other, so that memory does not grow with
the number of scans and a prediction that is repeated or continued has all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.inference.export_record import exported_cases, record_by, recorded_classes
from lesionseg.inference.prediction import TEXTS, lesion_columns
from lesionseg.lesion_classes import LesionClasses
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.storage.csv_table import cell_text, read_rows, write_csv
from lesionseg.storage.own_files import announce_files, listed_files, withdraw_files

FILES = "predict_files.json"  # the list of what is here of all scans
LESIONS, SCANS, REJECTED = "lesions.csv", "scans.csv", "rejected.csv"
OVERVIEW = "overview.html"
OF_SCANS = ("case", "class")
MEASURES = ("lesions", "volume_mm3", "best_score")
NO_TABLE = "its lesion table cannot be read; predict it again"

Row = dict[str, Any]


def withdraw_cohort(folder: Path, pages: Sequence[str] = ()) -> None:
    """Remove what an earlier prediction wrote of all scans.

    pages: what is going to be written beside the tables. Raises UsageError where somebody else's
    file of such a name would be replaced, OutputError where one cannot be removed.
    """
    names = (LESIONS, SCANS, REJECTED, *pages)
    own = listed_files(folder, FILES)
    if foreign := [name for name in names if (folder / name).exists() and name not in own]:
        raise UsageError(
            f"{folder.name}/{foreign[0]} was not written by lesionseg and would be replaced; give "
            "another output folder"
        )
    withdraw_files(folder, FILES)


def write_cohort_tables(
    folder: Path, made_by: Sequence[Mapping[str, Any]], said: Mapping[str, Sequence[str]]
) -> None:
    """Write lesions.csv and scans.csv over all whole scans of the folder that the models predicted.

    made_by: of each model its part of their records; all tell the same classes apart. said: case ->
    sentences for the notes, of cases without files too: why they were rejected. Raises OutputError.
    """
    announce_files(folder, FILES, [LESIONS, SCANS])
    classes = recorded_classes(made_by[0])
    done = exported_cases(folder, made_by)
    rows = (
        [case, *row.values()] for case in done for row in case_lesions(folder, case, classes) or ()
    )
    write_csv(folder / LESIONS, ["case", *lesion_columns(classes)], rows, float_format=".6g")
    sizes = (ALL_SIZES, *SizeBuckets.from_edges(made_by[0]["edges_mm"]).names)
    heads = [f"{measure}_{size}" for size in sizes for measure in MEASURES]

    def scans() -> Iterator[list[object]]:
        for case in sorted({*done, *said}):
            record = record_by(folder, case, made_by)
            lesions = case_lesions(folder, case, classes) if record else None
            notes = [*(record or {}).get("notes", ()), *said.get(case, ())]
            yield from _scan_rows(case, lesions, classes, sizes, notes)

    write_csv(folder / SCANS, [*OF_SCANS, *heads, "notes"], scans(), float_format=".6g")


def case_lesions(folder: Path, case: str, classes: LesionClasses) -> list[Row] | None:
    """The lesion table of a scan as it was exported, numbers as numbers; None where there is none
    that can be read."""
    names = lesion_columns(classes)
    shown = {cell_text(name): name for name in classes.names}
    try:
        return [
            {name: row[name] if name in TEXTS else _number(row[name]) for name in names}
            | {"class": shown[row["class"]]}
            for row in read_rows(folder / "lesions" / f"{case}.csv")
        ]
    except (OSError, ValueError, KeyError):
        return None


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _scan_rows(
    case: str,
    lesions: Sequence[Row] | None,
    classes: LesionClasses,
    sizes: Sequence[str],
    notes: Sequence[str],
) -> Iterator[list[object]]:
    """A row a class; one row without numbers for a scan that has no lesion table."""
    told = "; ".join(dict.fromkeys(notes))
    if lesions is None:
        yield [case, "", *([None] * len(MEASURES) * len(sizes)), told or NO_TABLE]
        return
    for name in classes.names:
        mine = [row for row in lesions if row["class"] == name]
        cells: list[object] = []
        for size in sizes:
            some = [row for row in mine if size in (ALL_SIZES, row["bucket"])]
            volume = sum(row["volume_mm3"] for row in some)
            cells += [len(some), volume, max((row["score"] for row in some), default=None)]
        yield [case, name, *cells, told]
