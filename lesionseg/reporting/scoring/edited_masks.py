"""Masks that were changed by hand after lesionseg wrote lesion ids beside them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.components import label_components, label_pieces


@dataclass(frozen=True, eq=False)
class EditedIds:
    """ids: (X, Y, Z) int32, 0 just where the mask is. num_before: of the ids as written. num_gone:
    of those that have no voxel left. num_new: of lesions that no id was written for."""

    ids: NDArray[np.int32]
    num_before: int
    num_gone: int
    num_new: int


def ids_of_edited_mask(
    mask: NDArray[Any], ids: NDArray[Any], connectivity: int, taken: Collection[int] = ()
) -> EditedIds | None:
    """The lesion ids of a mask that was changed; None where it still is what the ids say.

    mask, ids: (X, Y, Z), nonzero is lesion. A voxel that is still lesion keeps its id. What was
    added to a lesion gets the id that it touches most, what touches none are new lesions. A lesion
    that was cut in parts is several: the largest part keeps the id. New ids are the lowest that
    were not written. taken: ids that others have.
    """
    lesion = mask != 0
    if np.array_equal(lesion, ids != 0):
        return None
    kept = np.where(lesion, ids, 0).astype(np.int32)
    before, left = np.unique(ids[ids != 0]), np.unique(kept[kept != 0])
    added = label_components(lesion & (kept == 0), connectivity)
    neighbours = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    written = {*before.tolist(), *taken}
    free = (number for number in itertools.count(1) if number not in written)
    num_new = 0
    for number, box in enumerate(ndimage.find_objects(added), 1):
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        part = added[around] == number
        touched = kept[around][ndimage.binary_dilation(part, neighbours)]
        touched = touched[np.isin(touched, left)]
        if len(touched):
            values, counts = np.unique(touched, return_counts=True)
            kept[around][part] = values[counts.argmax()]
        else:
            kept[around][part] = next(free)
            num_new += 1
    num_new += _parted(kept, ids, connectivity, free)
    return EditedIds(kept, len(before), len(before) - len(left), num_new)


def _parted(
    kept: NDArray[np.int32], ids: NDArray[Any], connectivity: int, free: Iterator[int]
) -> int:
    """Give free numbers to the smaller parts of ids that were in fewer parts before; returns how
    many were given."""
    pieces = label_pieces(kept, connectivity)
    owners, owned = _pieces_of(kept, pieces)
    _, before = _pieces_of(ids, label_pieces(ids.astype(np.int32), connectivity))
    sizes = np.bincount(pieces.ravel())
    given = 0
    for owner in owners:
        mine = sorted(owned[owner], key=lambda piece: -sizes[piece])
        for piece in mine[max(1, len(before.get(owner, ()))) :]:
            kept[pieces == piece] = next(free)
            given += 1
    return given


def _pieces_of(
    ids: NDArray[Any], pieces: NDArray[np.int32]
) -> tuple[list[int], dict[int, list[int]]]:
    """The ids, and the numbers of the pieces of each."""
    inside = pieces > 0
    numbers, first = np.unique(pieces[inside], return_index=True)
    owned: dict[int, list[int]] = {}
    for number, owner in zip(numbers.tolist(), ids[inside][first].tolist()):
        owned.setdefault(int(owner), []).append(number)
    return list(owned), owned
