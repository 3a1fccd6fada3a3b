"""Which stratum each patient is of, from a table of participants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.table_rows import read_table
from lesionseg.errors import UsageError
from lesionseg.settings.record import nearest

ID_COLUMNS = ("participant_id", "patient", "subject", "subject_id", "case")
MOST_STRATA = 12
UNKNOWN = "not known"


@dataclass(frozen=True)
class Strata:
    """column: of the table. values: by the participant's id, in small letters without "sub-"."""

    column: str
    values: Mapping[str, str]

    def of_patients(self, patients: Iterable[str]) -> dict[str, str]:
        """The stratum of each patient, UNKNOWN where the table has none.

        Raises UsageError where it knows none of them, or has more than MOST_STRATA values for them.
        """
        found = {patient: self.values.get(_plain(patient), UNKNOWN) for patient in patients}
        known = set(found.values()) - {UNKNOWN}
        if not known:
            raise UsageError(
                f"participants: none of its ids is a patient like {next(iter(found), '?')!r}; give "
                "a table whose ids are those of the patients"
            )
        if len(known) > MOST_STRATA:
            raise UsageError(
                f"stratify={self.column}: {len(known)} different values; want a column of at most "
                f"{MOST_STRATA}, such as scanner or centre"
            )
        return found


def read_strata(table: Path, column: str) -> Strata:
    """A column of a participants table, CSV or TSV; ids are in the first of ID_COLUMNS that it has.

    Raises NoInputError where it cannot be read, UsageError for a column it lacks and for an id with
    two values.
    """
    heads, rows = read_table(table)
    ids = [head for head in heads if head.lower() in ID_COLUMNS]
    if not ids:
        raise UsageError(f"{table.name} has columns {heads}; want ids in participant_id")
    if column not in heads:
        near = nearest(column, heads)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"stratify={column}: {table.name} has columns {', '.join(heads)}{hint}")
    values: dict[str, str] = {}
    for row in rows:
        cells = row.cells
        who = _plain(cells.get(ids[0], ""))
        value = " ".join(cells.get(column, "").split()) or UNKNOWN
        if not who:
            continue
        if values.setdefault(who, value) != value:
            raise UsageError(
                f"{table.name} has two values of {column} for {cells[ids[0]]}; want one"
            )
    return Strata(column, values)


def _plain(patient: str) -> str:
    return patient.strip().lower().removeprefix("sub-")
