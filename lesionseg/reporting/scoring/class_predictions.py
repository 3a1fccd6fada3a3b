"""One model's lesions of each of several classes, with the ids that stand beside its mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.lesion_classes import LesionClasses
from lesionseg.reading.masks import with_values
from lesionseg.reading.masks_on_grid import ids_on_grid, read_ids
from lesionseg.reporting.scoring.class_numbers import in_class
from lesionseg.reporting.scoring.edited_masks import ids_of_edited_mask
from lesionseg.reporting.scoring.lesion_tables import LesionTable, read_lesion_table
from lesionseg.reporting.scoring.masks import Reference, read_class_numbers
from lesionseg.reporting.scoring.reading_options import reading_rule
from lesionseg.reporting.scoring.records import PredictionFiles, ScoringOptions
from lesionseg.structures import Volume


@dataclass(frozen=True, eq=False)
class PredictedClass:
    """array: (X, Y, Z) on the reference's grid, where class `number` is, or the ids of its lesions,
    with their scores. notes: what was mended. is_edited: the mask is no longer what the ids say."""

    number: int
    array: NDArray[Any]
    has_ids: bool
    scores: Mapping[int, float] | None
    notes: tuple[str, ...]
    is_edited: bool = False


def predicted_classes(
    files: PredictionFiles, reference: Reference, case: str, model: str, options: ScoringOptions
) -> Iterator[PredictedClass]:
    """One class after another. Raises CaseError.

    The lesion ids beside a mask count where their table says which class they are of.
    """
    numbers = range(1, len(options.classes) + 1)
    if files.instances is None or files.lesions is None:
        mask = read_class_numbers(files, reference.grid, case, model, options)
        for number in numbers:
            array = in_class(mask.array, number, options.classes)
            yield PredictedClass(number, array, False, None, mask.notes if number == 1 else ())
        return
    table = read_lesion_table(files.lesions, case, options.classes)
    drawn = read_class_numbers(files, None, case, model, options)
    rule, role = reading_rule(options), f"lesion ids of {model}"
    written, _ = read_ids(files.instances, case, rule, drawn.grid, role=role)
    ids = written.array
    _refuse_without_class(ids, table, options.classes, case, model)
    taken = set(np.unique(ids).tolist())
    for number in numbers:
        mine, is_edited = lesions_of_class(ids, table, number), False
        where = in_class(drawn.array, number, options.classes)
        edited = ids_of_edited_mask(where, mine, options.connectivity, taken)
        if edited is not None:
            mine, is_edited = edited.ids, True
            taken |= set(np.unique(mine).tolist())
        found, notes = _on_grid(with_values(written, mine), reference, case, model, options)
        said = (*(drawn.notes if number == 1 else ()), *notes)
        if is_edited:
            name = options.classes.names[number - 1]
            said = (
                *said,
                f"prediction of {model} for {case}: class {name} was changed after "
                "lesionseg wrote it; the mask is scored",
            )
        yield PredictedClass(number, found, True, table.scores, said, is_edited)


def lesions_of_class(ids: NDArray[Any], table: LesionTable, number: int) -> NDArray[np.int32]:
    """The ids (X, Y, Z) of the lesions of one class; of a region those around what lies inside."""
    present = np.unique(ids)
    mine = np.array([table.of_class(int(i), number) for i in present], np.int32)
    return mine[np.searchsorted(present, ids)]


def _on_grid(
    ids: Volume, reference: Reference, case: str, model: str, options: ScoringOptions
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Ids on the reference's grid, and what was mended."""
    found, moved = ids_on_grid(
        ids, reference.grid, case, reading_rule(options), role=f"prediction of {model}"
    )
    note = f"prediction of {model} for {case} was resampled to the reference's grid by class"
    return found.array, (note,) if moved else ()


def _refuse_without_class(
    ids: NDArray[Any], table: LesionTable, classes: LesionClasses, case: str, model: str
) -> None:
    """CaseError for an id whose class the table does not say, or not that of a region around it."""
    for lesion in np.unique(ids[ids > 0]).tolist():
        number = table.number.get(lesion)
        if number is None:
            raise CaseError(case, f"lesion {lesion} of {model} has no class in its table")
        for outer in classes.enclosing(number):
            if not table.of_class(lesion, outer):
                raise CaseError(
                    case,
                    f"lesion {lesion} of {model} ({classes.names[number - 1]}) lies inside no "
                    f"lesion of {classes.names[outer - 1]}; want that in the column inside",
                )
