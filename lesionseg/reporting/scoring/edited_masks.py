"""Masks that were changed by hand after lesionseg wrote lesion ids beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.components import label_components


@dataclass(frozen=True, eq=False)
class EditedIds:
    """ids: (X, Y, Z) int32, 0 just where the mask is. num_before: of the ids as written. num_gone:
    of those that have no voxel left. num_new: of lesions that no id was written for."""

    ids: NDArray[np.int32]
    num_before: int
    num_gone: int
    num_new: int


def ids_of_edited_mask(
    mask: NDArray[Any], ids: NDArray[Any], connectivity: int
) -> EditedIds | None:
    """The lesion ids of a mask that was changed; None where it still is what the ids say.

    mask, ids: (X, Y, Z), nonzero is lesion. A voxel that is still lesion keeps its id. What was
    added to a lesion gets the id that it touches most, what touches none are new lesions.
    """
    lesion = mask != 0
    if np.array_equal(lesion, ids != 0):
        return None
    kept = np.where(lesion, ids, 0).astype(np.int32)
    before, left = np.unique(ids[ids != 0]), np.unique(kept[kept != 0])
    added = label_components(lesion & (kept == 0), connectivity)
    neighbours = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    new = int(before.max(initial=0))
    for number, box in enumerate(ndimage.find_objects(added), 1):
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        part = added[around] == number
        touched = kept[around][ndimage.binary_dilation(part, neighbours)]
        touched = touched[np.isin(touched, left)]
        if len(touched):
            kept[around][part] = np.bincount(touched).argmax()
        else:
            new += 1
            kept[around][part] = new
    return EditedIds(kept, len(before), len(before) - len(left), new - int(before.max(initial=0)))
