"""Masks of several lesion classes as one number a voxel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.lesion_classes import LesionClasses, named_classes
from lesionseg.reading.masks import class_numbers
from lesionseg.reporting.scoring.reading_options import reading_rule
from lesionseg.settings.report import ScoringOptions
from lesionseg.structures import Volume


def numbers_by_value(
    mask: Volume, number_of: Mapping[int, int], options: ScoringOptions, case: str, role: str
) -> NDArray[Any]:
    """The number of the class of each voxel (X, Y, Z), 0 outside; of regions the innermost one.

    number_of: class number by mask value. Raises CaseError for fractions, and for a value that is
    of no class and not known either.
    """
    known = frozenset(number_of) | (options.known_values or frozenset())
    of_value = named_classes({str(value): (value,) for value in number_of})
    labels, rule = MaskLabels(known, of_value), reading_rule(options)
    found = class_numbers(mask, labels, case, rule=rule, role=role)
    numbers = np.array([0, *number_of.values()])
    return numbers.astype(np.min_scalar_type(int(numbers.max())))[found]


def in_class(numbers: NDArray[Any], number: int, classes: LesionClasses) -> NDArray[np.bool_]:
    """Where a voxel (X, Y, Z) is of class `number`, or of a region inside it."""
    return np.asarray(np.isin(numbers, classes.within(number)))
