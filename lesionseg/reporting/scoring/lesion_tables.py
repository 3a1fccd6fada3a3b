"""The tables of lesions that stand beside masks: score, class and enclosing lesion by id."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.errors import CaseError
from lesionseg.lesion_classes import LesionClasses
from lesionseg.storage.csv_table import read_cells, read_rows


@dataclass(frozen=True)
class LesionTable:
    """By lesion id: score; class number; the id of the lesion around it, 0 for none."""

    scores: Mapping[int, float]
    number: Mapping[int, int] = field(default_factory=dict)
    around: Mapping[int, int] = field(default_factory=dict)

    def of_class(self, lesion: int, number: int) -> int:
        """The lesion itself where it is of that class, else the one around it that is; 0: none."""
        seen: set[int] = set()
        while lesion and lesion not in seen:
            if self.number.get(lesion) == number:
                return lesion
            seen.add(lesion)
            lesion = self.around.get(lesion, 0)
        return 0


def read_scores(path: Path, case: str) -> dict[int, float]:
    """Score by lesion id from a table with columns id and score.

    Raises CaseError where the table lacks a column or a number, or a score is not finite.
    """
    return dict(read_lesion_table(path, case).scores)


def says_inside(path: Path | None) -> bool:
    """Whether a table has the column that says which lesion lies inside which."""
    try:
        return path is not None and "inside" in (read_cells(path) or [[]])[0]
    except (OSError, ValueError):
        return True  # whoever reads it says what is wrong with it


def read_lesion_table(path: Path, case: str, classes: LesionClasses | None = None) -> LesionTable:
    """A table with columns id and score, of several classes class too, and inside for regions.

    Raises CaseError as `read_scores`, and for a class that is none of `classes`.
    """
    several = classes is not None and len(classes) > 1
    regions = several and classes is not None and classes.regions
    want = ("id", "score", *(("class",) if several else ()), *(("inside",) if regions else ()))
    try:
        rows = read_rows(path)
        scores = {int(row["id"]): float(row["score"]) for row in rows}
        around = {int(row["id"]): int(row["inside"]) for row in rows} if regions else {}
        named = {int(row["id"]): row["class"] for row in rows} if several else {}
    except (KeyError, ValueError, OSError) as error:
        columns = f"{', '.join(want[:-1])} and {want[-1]}"
        raise CaseError(
            case,
            f"{path.name}: want numeric columns {columns}"
            if not several
            else f"{path.name}: want columns {columns}, numbers but for the class",
        ) from error
    for lesion, score in scores.items():
        if not math.isfinite(score):
            raise CaseError(
                case, f"{path.name}: lesion {lesion} has score {score}; want a finite number"
            )
    known = {} if classes is None else {name: n for n, name in enumerate(classes.names, 1)}
    for lesion, name in named.items():
        if name not in known:
            raise CaseError(
                case, f"{path.name}: lesion {lesion} is of class {name}; want {', '.join(known)}"
            )
    return LesionTable(scores, {i: known[name] for i, name in named.items()}, around)
