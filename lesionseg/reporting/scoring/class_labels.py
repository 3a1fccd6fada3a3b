"""Whether the values of masks are lesion ids, as they are scored, or labels of classes.

A lesion has one id and lies in one place; a class lies wherever there is tissue of it, one class
inside another, with the same few values in every mask.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.components import label_pieces
from lesionseg.errors import CaseError, UsageError
from lesionseg.geometry import bounding_slices
from lesionseg.wording import counted

MANY_PIECES = 3  # a value: lesions fall into a few pieces at most, classes into many
SCATTERED = 10  # pieces a value, as of intensities
MANY_VALUES = 20  # of a mask, from which on it may be an image
FAR_MM = 10.0  # between two pieces of one lesion there is less
ENCLOSED = 0.9  # share of a value's outer faces that lie on other values
SAME_MASKS = 3  # in so many masks the same few values are no chance
FEW_VALUES = 10
SHOWN = 4


@dataclass(frozen=True)
class MaskValues:
    """What the values of one mask look like.

    folder: the setting by which its folder was given. role: what messages call the mask. values:
    besides 0, ascending. num_pieces: connected pieces of one value each. apart, enclosed: the
    values that lie in pieces far from each other, and those that lie inside others.
    """

    folder: str
    role: str
    case: str
    values: tuple[int, ...]
    num_pieces: int = 0
    apart: tuple[int, ...] = ()
    enclosed: tuple[int, ...] = ()

    @property
    def looks_like_classes(self) -> bool:
        odd = len({*self.apart, *self.enclosed})
        several = len(self.values) > 1
        many = self.num_pieces >= MANY_PIECES * len(self.values)
        return several and (many or 2 * odd >= len(self.values))


def look_at_values(
    mask: NDArray[Any], spacing_mm: Sequence[float], *, folder: str, role: str, case: str
) -> MaskValues:
    """mask: (X, Y, Z), whole numbers of at least 0, or booleans, which have one value."""
    box = bounding_slices(mask)
    if box is None:
        return MaskValues(folder, role, case, ())
    inside = mask[box]
    lesion = inside != 0
    values = np.unique(inside[lesion])
    found = tuple(int(value) for value in values)
    if len(found) < 2:
        return MaskValues(folder, role, case, found)
    ids = np.zeros(inside.shape, np.int32)
    ids[lesion] = np.searchsorted(values, inside[lesion]) + 1
    pieces = label_pieces(ids)
    return MaskValues(
        folder,
        role,
        case,
        found,
        int(pieces.max()),
        tuple(found[i - 1] for i in _apart(ids, pieces, spacing_mm)),
        tuple(found[i - 1] for i in _enclosed(ids)),
    )


def refuse_intensities(mask: NDArray[Any], case: str, role: str) -> None:
    """Raise CaseError for a mask of very many values, each in many pieces: an image."""
    if mask.dtype == bool or int(mask.max(initial=0)) < MANY_VALUES:
        return
    num = len(np.unique(mask[mask != 0]))
    if num < MANY_VALUES:
        return
    pieces = int(label_pieces(mask).max())
    if pieces >= SCATTERED * num:
        raise CaseError(
            case,
            f"{role} holds {num} values in {counted(pieces, 'piece')}, as an image does and no "
            "mask; want lesion ids, class labels, or 0 and 1",
        )


def refuse_classes(looks: Sequence[MaskValues]) -> None:
    """Raise UsageError for a folder most of whose masks of several values look like classes.

    looks: at the masks whose values are taken for lesion ids.
    """
    for folder, group in itertools.groupby(
        sorted(looks, key=lambda one: one.folder), key=lambda one: one.folder
    ):
        several = [one for one in group if len(one.values) > 1]
        odd = [one for one in several if one.looks_like_classes]
        if several and 2 * len(odd) >= len(several):
            why = f"in {len(odd)} of {len(several)} masks of several values, {_why(odd[0])}"
        elif _same_values(several):
            why = f"they are the same in all {len(several)} masks of several values"
        else:
            continue
        values = sorted({value for one in odd or several for value in one.values})
        choice = ",".join(map(str, values)) if len(values) <= FEW_VALUES else "1,2"
        raise UsageError(
            f"{folder} holds the values {_listed(values)}, which look like classes and not like "
            f"lesion ids: {why}; say that each is a class of lesions with labels=[{choice}], that "
            f"all are one with labels={{lesion: [{choice}]}}, or that they are ids with "
            "instances=true"
        )


def class_notes(looks: Sequence[MaskValues]) -> list[str]:
    """A sentence on each single mask whose values look like classes."""
    return [
        f"{one.role} of {one.case} has the values {_listed(one.values)} in "
        f"{counted(one.num_pieces, 'piece')}; they are read as {len(one.values)} lesions: "
        "if they are classes, choose those that are lesion with labels=[...]"
        for one in looks
        if one.looks_like_classes
    ]


def _why(one: MaskValues) -> str:
    for values, words in ((one.enclosed, "inside others"), (one.apart, "in pieces far apart")):
        if values:
            return f"like {one.case}, where {_listed(values)} lie{'s' * (len(values) == 1)} {words}"
    return f"like {one.case}, where they lie in {counted(one.num_pieces, 'piece')}"


def _same_values(looks: Sequence[MaskValues]) -> bool:
    kinds = {one.values for one in looks}
    return len(looks) >= SAME_MASKS and len(kinds) == 1 and len(next(iter(kinds))) <= FEW_VALUES


def _apart(
    ids: NDArray[np.int32], pieces: NDArray[np.int32], spacing_mm: Sequence[float]
) -> list[int]:
    """The ids of which a piece is further than FAR_MM from the largest, by their bounding boxes."""
    boxes = ndimage.find_objects(pieces)
    lesion = pieces > 0
    sizes = np.bincount(pieces[lesion], minlength=len(boxes) + 1)[1:]
    owner = np.zeros(len(boxes) + 1, np.int64)
    owner[pieces[lesion]] = ids[lesion]
    owner = owner[1:]
    corners = np.array([[(side.start, side.stop) for side in box] for box in boxes])
    found = []
    for i in np.flatnonzero(np.bincount(owner) > 1):
        mine = np.flatnonzero(owner == i)
        first = corners[mine[sizes[mine].argmax()]]
        gap = np.maximum(corners[mine, :, 0] - first[:, 1], first[:, 0] - corners[mine, :, 1])
        if (gap * np.asarray(spacing_mm)).max() > FAR_MM:
            found.append(int(i))
    return found


def _enclosed(ids: NDArray[np.int32]) -> list[int]:
    """The ids whose faces to other voxels lie on other ids, nearly all."""
    framed = np.pad(ids, 1)
    flat, places = framed.ravel(), np.flatnonzero(framed)
    own, number = flat[places], int(ids.max()) + 1
    outer, on_others = np.zeros(number), np.zeros(number)
    for step in (framed.shape[1] * framed.shape[2], framed.shape[2], 1):
        for neighbour in (flat[places - step], flat[places + step]):
            differ = neighbour != own
            outer += np.bincount(own[differ], minlength=number)
            on_others += np.bincount(own[differ & (neighbour > 0)], minlength=number)
    return [i for i in range(1, number) if on_others[i] >= ENCLOSED * outer[i] > 0]


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:SHOWN])) + (" ..." if len(values) > SHOWN else "")
