"""Masks of several lesion classes as one number a voxel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.errors import CaseError
from lesionseg.lesion_classes import LesionClasses
from lesionseg.reading.mask_values import whole_numbers
from lesionseg.reading.masks import lesion_mask
from lesionseg.reporting.scoring.reading_options import reading_rule
from lesionseg.settings.report import ScoringOptions
from lesionseg.structures import Volume


def class_numbers(
    mask: Volume, number_of: Mapping[int, int], options: ScoringOptions, case: str, role: str
) -> NDArray[Any]:
    """The number of the class of each voxel (X, Y, Z), 0 outside; of regions the innermost one.

    number_of: class number by mask value. Raises CaseError for fractions, and for a value that is
    of no class and not known either.
    """
    rule = reading_rule(options)
    whole = whole_numbers(
        mask.array, case, role, threshold=rule.mask_threshold, key=rule.threshold_key
    )
    if whole.dtype == bool:
        raise CaseError(
            case,
            f"{role} holds fractions, which are of no class; want the values of "
            f"{_words(options.classes)}",
        )
    known = frozenset(number_of) | (options.known_values or frozenset())
    lesion = lesion_mask(mask, MaskLabels(known, frozenset(number_of)), case, rule=rule, role=role)
    values = np.array(sorted(number_of))
    numbers = np.array([number_of[int(value)] for value in values], np.int32)
    found = np.zeros(whole.shape, np.uint8 if numbers.max() < 256 else np.int32)
    found[lesion] = numbers[np.searchsorted(values, whole[lesion])]
    return found


def in_class(numbers: NDArray[Any], number: int, classes: LesionClasses) -> NDArray[np.bool_]:
    """Where a voxel (X, Y, Z) is of class `number`, or of a region inside it."""
    inner = [n for n in range(1, len(classes) + 1) if number in classes.enclosing(n)]
    return np.asarray(np.isin(numbers, inner))


def _words(classes: LesionClasses) -> str:
    return ", ".join(one.words for one in classes.classes)
