"""Masks on the grid of their scan: one way there for training, for raters and for reports.

Lesions are told apart on the mask's own grid, class by class, and carried from there, so that no
rim of a region and no small lesion is lost to what its values look like beside others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.reading import ReadingRule
from lesionseg.lesion_classes import LesionClasses
from lesionseg.lesion_kinds import IGNORED, LesionKinds, of_one_class
from lesionseg.reading.carrying import Drawn, carry_lesions, refuse_beyond_carrying
from lesionseg.reading.grids import how_apart
from lesionseg.reading.lesion_ids import label_lesions, lesion_ids
from lesionseg.reading.mask_values import distinct_values
from lesionseg.reading.masks import (
    class_numbers,
    mask_values,
    stored_mask,
    there_or_beside,
    with_values,
)
from lesionseg.structures import Grid, Volume


def read_lesions(
    path: Path, labels: MaskLabels, case: str, rule: ReadingRule, grid: Grid
) -> tuple[NDArray[np.int32], LesionKinds, Drawn | None, tuple[str, ...]]:
    """Lesion ids of a mask file on the scan's grid and their classes; what they were on the mask's
    own grid, if that is another; and what was mended. Raises CaseError."""
    mask, far = stored_mask(path, case, rule, grid)
    ids, kinds = lesion_ids(mask, labels, case, rule=rule)
    if not far:
        return ids, kinds, None, mask.notes
    ids, drawn, notes = _carried(ids, kinds, mask, far, grid, case, "mask")
    return ids, kinds, drawn, notes


def read_numbers(
    path: Path, labels: MaskLabels, case: str, rule: ReadingRule, grid: Grid
) -> NDArray[Any]:
    """The class numbers of a mask file, as `class_numbers` gives them, on the scan's grid. Raises
    CaseError."""
    mask, far = stored_mask(path, case, rule, grid)
    numbers = class_numbers(mask, labels, case, rule=rule)
    found = with_values(mask, numbers)
    return (carried_numbers(found, labels.classes, far, grid, case) if far else found).array


def carried_numbers(
    mask: Volume, classes: LesionClasses, far: float, grid: Grid, case: str, *, role: str = "mask"
) -> Volume:
    """A map of class numbers, or booleans of one class, carried to a grid that lies `far` mm from
    its own, with a note. Raises CaseError where that takes more memory than is free."""
    ids, kinds = label_lesions(mask.array, classes)
    carried, _, notes = _carried(ids, kinds, mask, far, grid, case, role)
    numbers = np.where(carried > 0, kinds.classes[np.maximum(carried, 0)], carried)
    array = numbers > 0 if mask.array.dtype == bool else numbers.astype(np.int32)
    return Volume(array, grid.affine, mask.forms, notes, grid.other)


def read_ids(
    path: Path, case: str, rule: ReadingRule, grid: Grid, *, role: str = "mask"
) -> tuple[Volume, float]:
    """A mask file whose values are lesion ids, or one value, on `grid`; and by how many mm it was
    moved (0: not). Raises CaseError."""
    mask, far = stored_mask(path, case, rule, grid, role=role)
    found = with_values(mask, mask_values(mask, None, case, rule=rule, role=role))
    return (carried_ids(found, far, grid, case, role=role) if far else found), far


def ids_on_grid(
    mask: Volume, grid: Grid, case: str, rule: ReadingRule, *, role: str = "mask"
) -> tuple[Volume, float]:
    """As `read_ids`, of lesion ids that were read. Raises CaseError."""
    found, far = there_or_beside(mask, grid, case, rule, role)
    return (carried_ids(found, far, grid, case, role=role) if far else found), far


def carried_ids(mask: Volume, far: float, grid: Grid, case: str, *, role: str = "mask") -> Volume:
    """Lesion ids carried to a grid that lies `far` mm from their own, each id whole, of a mask of
    one value each component; errors as of `carried_numbers`."""
    values = np.array(sorted(distinct_values(mask.array) - {IGNORED}))
    places = np.searchsorted(values, np.maximum(mask.array, 0)).astype(np.int32)
    several = len(values) > 2
    ids = places if several else label_components(places)
    kinds = of_one_class(ids)
    ids = np.where(mask.array == IGNORED, np.int32(IGNORED), ids)
    carried, _, notes = _carried(ids, kinds, mask, far, grid, case, role)
    positive = values[np.maximum(carried, 0) if several else (carried > 0).astype(np.int32)]
    array = np.where(carried == IGNORED, IGNORED, positive)
    return Volume(array.astype(np.int32), grid.affine, mask.forms, notes, grid.other)


def _carried(
    ids: NDArray[np.int32],
    kinds: LesionKinds,
    mask: Volume,
    far: float,
    grid: Grid,
    case: str,
    role: str,
) -> tuple[NDArray[np.int32], Drawn, tuple[str, ...]]:
    """The lesions of a mask on a grid that is not its own, and the mask's notes with one on it."""
    refuse_beyond_carrying(ids, grid, case, role)
    carried, drawn = carry_lesions(ids, kinds, mask.affine, grid)
    apart = how_apart(mask.grid, grid, far)
    note = f"{role} carried to the scan's grid lesion by lesion, {apart}; {drawn.note}"
    return carried, drawn, (*mask.notes, note)
