"""Which class each lesion of a scan has, and which lesion it lies inside.

A volume of lesion ids holds, in each voxel, the innermost lesion there: 0 is background, IGNORED a
voxel that nobody judged. Regions that contain one another are read from it through their parents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.lesion_classes import LesionClasses

IGNORED = -1


@dataclass(frozen=True, eq=False)
class LesionKinds:
    """classes: (L + 1,) int32, the class of each lesion by id, 0 where no lesion has it. inside:
    (L + 1,) int32, the lesion around it, 0 for none. Raises ValueError where a lesion does not lie
    inside one of a class before its own.
    """

    classes: NDArray[np.int32]
    inside: NDArray[np.int32]

    def __post_init__(self) -> None:
        held = np.flatnonzero(self.inside)
        around = self.inside[held]
        there = (around > 0) & (around < len(self.classes))
        outer = np.where(there, self.classes[np.where(there, around, 0)], 0)
        wrong = held[(outer < 1) | (outer >= self.classes[held])]
        if len(wrong):
            raise ValueError(
                f"lesion {wrong[0]} is said to lie inside {self.inside[wrong[0]]}, which is no "
                "lesion of a class before its own"
            )

    @property
    def nested(self) -> bool:
        """Whether any lesion lies inside another."""
        return bool(self.inside.any())

    @property
    def numbers(self) -> tuple[int, ...]:
        """The classes that lesions have, ascending."""
        return tuple(int(number) for number in np.unique(self.classes) if number)

    def enclosing(self, number: int) -> NDArray[np.int32]:
        """(L + 1,) by lesion, the one of class `number` that it is or lies inside; 0 for none."""
        found = np.where(self.classes == number, np.arange(len(self.classes)), 0)
        around = self.inside
        while around.any():
            found = np.where((found == 0) & (self.classes[around] == number), around, found)
            around = self.inside[around]
        return found.astype(np.int32)

    def of_class(self, ids: NDArray[np.int32], number: int) -> NDArray[np.int32]:
        """Where the lesions of a class are: an array like `ids`, 0 where none of them is."""
        if not self.nested and self.numbers == (number,):
            return np.maximum(ids, 0)
        return self.enclosing(number)[np.maximum(ids, 0)]

    def layers(self, ids: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
        """Arrays like `ids` that together show every lesion whole, containers first: one where no
        lesion lies inside another, else one for each class."""
        if not self.nested:
            yield np.maximum(ids, 0)
            return
        for number in self.numbers:
            yield self.of_class(ids, number)


def nested(layers: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int32], LesionKinds]:
    """The innermost lesion of each voxel, and their kinds.

    layers: of each class, in order, the ids (X, Y, Z) of its lesions as they are whole; 1 to L over
    all classes. A lesion lies in one lesion of the class around it.
    """
    top = max(int(layer.max(initial=0)) for layer in layers)
    innermost = np.zeros(layers[0].shape, np.int32)
    classes, inside = np.zeros((2, top + 1), np.int32)
    for number, layer in enumerate(layers, 1):
        place = layer > 0
        own = layer[place]
        classes[own], inside[own] = number, innermost[place]
        innermost[place] = own
    return innermost, LesionKinds(classes, inside)


def of_one_class(ids: NDArray[np.int32]) -> LesionKinds:
    """Of a volume whose lesions are all of class 1, none inside another."""
    classes = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    classes[np.unique(ids[ids > 0])] = 1
    return LesionKinds(classes, np.zeros_like(classes))


def kinds_of(lesions: Mapping[int, Mapping[str, float]]) -> LesionKinds:
    """Of the lesion table of a case, by its columns `class` and `inside`."""
    classes = np.zeros(max(lesions, default=0) + 1, np.int32)
    inside = np.zeros_like(classes)
    for lesion, row in lesions.items():
        classes[lesion], inside[lesion] = int(row["class"]), int(row["inside"])
    return LesionKinds(classes, inside)


def written_values(
    numbers: NDArray[Any], classes: LesionClasses, ignored: int = 0
) -> NDArray[np.unsignedinteger[Any]]:
    """A map of class numbers as a mask that is written; IGNORED becomes the value `ignored`."""
    values = np.array([0, *(one.written for one in classes.classes), ignored])
    found: NDArray[np.unsignedinteger[Any]] = values.astype(np.min_scalar_type(int(values.max())))
    return found[numbers]
