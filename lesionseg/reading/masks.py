"""Mask files, read by one rule for training, prediction and reports.

First a file becomes a volume (`stored_mask`), then its values are told apart (`class_numbers`,
`mask_values`), then it is put on its scan's grid where it has another (`masks_on_grid`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.errors import CaseError
from lesionseg.geometry import corner_distance
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.lesion_kinds import IGNORED
from lesionseg.reading.dicom_masks import read_dicom_mask
from lesionseg.reading.grids import lies_on, other_grid
from lesionseg.reading.mask_values import (
    BINARY_WHITE,
    LARGEST_ID,
    distinct_values,
    whole_numbers,
)
from lesionseg.structures import Grid, Volume

LISTED = 8  # unknown labels named in a message


def stored_mask(
    path: Path, case: str, rule: ReadingRule, grid: Grid | None, *, role: str = "mask"
) -> tuple[Volume, float]:
    """A mask file, its values as stored, on `grid`, and 0.0, where it lies there; else on its own
    grid, to be carried by `masks_on_grid`, and how many mm apart the two are.

    grid: of the scan; None takes the file's own. role: what the file is, in messages. The volume's
    notes say what was mended. Raises CaseError where the file cannot be read, is a SEG without a
    grid, or lies elsewhere and the rule does not say that it is carried; UsageError where a SEG is
    met and highdicom is not installed.
    """
    if not is_dicom_file(path):
        mask = rule.read(path, case)
        return (mask, 0.0) if grid is None else there_or_beside(mask, grid, case, rule, role)
    if grid is None:
        raise CaseError(
            case,
            f"{role} {path.name} is DICOM, whose masks have no grid of their own; give the "
            "scan that it was drawn on, to a report with images=DIR",
        )
    return read_dicom_mask(path, grid, case, rule)


def there_or_beside(
    mask: Volume, grid: Grid, case: str, rule: ReadingRule, role: str
) -> tuple[Volume, float]:
    """As `stored_mask`, of a mask that was read. Raises CaseError."""
    there = lies_on(mask, grid, role, any_form=True, either=rule.either_form)
    if there is not None:
        return there, 0.0
    if not rule.fix_grid:
        raise other_grid(mask, grid, case, role, rule.fix_grid_key)
    return mask, max(corner_distance(grid, mask.grid), 1e-9)


def lesion_mask(
    mask: Volume,
    labels: MaskLabels,
    case: str,
    *,
    rule: ReadingRule = STRICT,
    role: str = "mask",
) -> NDArray[np.bool_]:
    """Where the mask's values are lesions of any class, (X, Y, Z) bool; errors as below."""
    found = class_numbers(mask, labels, case, rule=rule, role=role)
    return np.asarray(found if found.dtype == bool else found > 0)


def class_numbers(
    mask: Volume,
    labels: MaskLabels,
    case: str,
    *,
    rule: ReadingRule = STRICT,
    role: str = "mask",
) -> NDArray[Any]:
    """The number of the class in each voxel, (X, Y, Z) on the mask's own grid: bool where there is
    one class and nothing is ignored, else int32 with 0 = background and IGNORED.

    Of regions the innermost counts. A mask of probabilities is lesion at and above the rule's
    threshold, whatever labels say. Where 1 is the only label, 255 beside 0 alone means it too.
    Raises CaseError for NaN, fractions without a threshold or of several classes, and values that
    no label explains.
    """
    array = _whole(mask, case, rule, role)
    if array.dtype == bool:  # of probabilities, cut at the threshold: no labels
        if len(labels.classes) > 1:
            names = ", ".join(labels.classes.names)
            raise CaseError(case, f"{role} holds fractions, which cannot say which of {names}")
        return array
    values = distinct_values(array)
    if labels.instances and min(values) >= 0:
        if not values & labels.ignored:
            return np.asarray(array != 0)
        return _numbered(array, {v: IGNORED if v in labels.ignored else int(v > 0) for v in values})
    white = values == {0, BINARY_WHITE} and BINARY_WHITE not in labels.ignored
    if white and (labels.known or labels.lesions) == {1}:
        return np.asarray(array != 0)
    if white and labels.known is None and BINARY_WHITE not in labels.lesions:
        want = ", ".join(map(str, sorted(labels.lesions)))
        raise CaseError(
            case,
            f"{role} holds 0 and 255 alone, the labels of lesions are {want}; a binary mask needs "
            "the one label 1, or 255 as the label",
        )
    _refuse_unknown(values, labels, case, role, rule)
    lesions = values & labels.lesions
    if len(labels.classes) > 1 or values & labels.ignored:
        number_of = labels.classes.class_of_value | dict.fromkeys(labels.ignored, IGNORED)
        return _numbered(array, {value: number_of.get(value, 0) for value in values})
    if not lesions:
        return np.zeros(array.shape, bool)
    if lesions == values - {0}:
        return np.asarray(array != 0)
    return np.isin(array, sorted(lesions))


def _numbered(array: NDArray[Any], number_of: Mapping[int, int]) -> NDArray[np.int32]:
    """The number of each voxel's value. number_of: of every value that occurs."""
    values = np.array(sorted(number_of))
    numbers = np.array([number_of[int(value)] for value in values], np.int32)
    found: NDArray[np.int32] = numbers[np.searchsorted(values, array)]
    return found


def mask_values(
    mask: Volume,
    labels: MaskLabels | None,
    case: str,
    *,
    rule: ReadingRule = STRICT,
    role: str = "mask",
) -> NDArray[Any]:
    """A mask as it is scored, (X, Y, Z): lesion ids as stored, or where `labels` says lesion.

    labels: None, or of instances, keeps every value: one besides 0 is a binary mask, several are
    lesion ids. Others give bool. Raises CaseError as `lesion_mask`, and for negative values.
    """
    if labels is not None and not labels.instances:
        return lesion_mask(mask, labels, case, rule=rule, role=role)
    array = _whole(mask, case, rule, role)
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if low < 0:
        raise CaseError(case, f"{role} has values from {low} to {high}; want 0 to {LARGEST_ID}")
    return array


def with_values(mask: Volume, values: NDArray[Any]) -> Volume:
    """The same volume with other voxels of the same shape."""
    return dataclasses.replace(mask, array=values)


def _whole(mask: Volume, case: str, rule: ReadingRule, role: str) -> NDArray[Any]:
    return whole_numbers(
        mask.array, case, role, threshold=rule.mask_threshold, key=rule.threshold_key
    )


def _refuse_unknown(
    values: set[int], labels: MaskLabels, case: str, role: str, rule: ReadingRule
) -> None:
    unknown = sorted(
        value
        for value in values - {0}
        if value < 0 or (labels.known is not None and value not in labels.known | labels.ignored)
    )
    if not unknown:
        return
    some = ", ".join(f"{value:g}" for value in unknown[:LISTED])
    more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
    known = labels.known if labels.known is not None else labels.lesions
    want = ", ".join(map(str, sorted(known | {0})))
    problem = f"{role} has unknown labels {some}{more}; want {want}"
    if unknown[0] < 0:  # which no card can name
        raise CaseError(case, f"{problem}: a label is never negative, write 0 or a label there")
    raise CaseError(case, f"{problem}, or {rule.labels_way}")
