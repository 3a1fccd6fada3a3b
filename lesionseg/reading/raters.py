"""Several raters' masks of one scan, made into one reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.components import label_components
from lesionseg.lesion_classes import LesionClasses
from lesionseg.lesion_kinds import IGNORED

STAPLE_PROBABILITY = 0.5
MARGIN = 5  # voxels of agreed background that STAPLE sees around all lesions


def joined_raters(
    maps: Mapping[str, NDArray[Any]],
    classes: LesionClasses,
    method: str,
    few: str = "background",
) -> NDArray[Any]:
    """One map of class numbers (X, Y, Z) from that of each rater, class by class, by `consensus`.

    Of regions each is joined whole, the innermost counts. What more than half of the raters ignore
    is IGNORED. few: "ignore" makes IGNORED too what too few raters drew: the components of what any
    of them drew of which the consensus has no voxel.
    """
    every = list(maps.values())
    if few == "background" and len(classes) == 1 and all(one.dtype == bool for one in every):
        return consensus(every, method)
    out = np.zeros(every[0].shape, np.int32)
    for number in range(1, len(classes) + 1):
        within = [n for n in range(1, len(classes) + 1) if number in classes.enclosing(n)]
        out[consensus([np.isin(one, within) for one in every], method)] = number
    if few == "ignore":
        drawn = label_components(np.any([one > 0 for one in every], axis=0))
        out[(drawn > 0) & ~np.isin(drawn, drawn[out > 0])] = IGNORED
    out[consensus([one == IGNORED for one in every])] = IGNORED
    return out


def consensus(masks: Sequence[NDArray[Any]], method: str = "majority") -> NDArray[np.bool_]:
    """(X, Y, Z) bool: where the raters, together, see a lesion. masks: one a rater, not 0 = lesion.

    majority: more than half of the raters; of two, both. staple: the voxels of probability 0.5 and
    more after Warfield et al. 2004, by SimpleITK, within the lesions' bounding box and a margin:
    with much background every rater would look right. Raises ValueError without masks, for
    different shapes and for another method.
    """
    if method not in ("majority", "staple"):
        raise ValueError(f"consensus {method!r}; want majority or staple")
    if not masks or len({mask.shape for mask in masks}) != 1:
        raise ValueError(f"{len(masks)} masks of shapes {[m.shape for m in masks]}; want one shape")
    votes = np.zeros(masks[0].shape, np.uint16)
    for mask in masks:
        votes += mask != 0
    if method == "majority" or len(masks) == 1 or not votes.any():
        return np.asarray(2 * votes > len(masks))
    if (votes[votes > 0] == len(masks)).all():
        return np.asarray(votes > 0)  # they agree, and STAPLE would divide by zero
    import SimpleITK as sitk

    box = geometry.bounding_slices(votes, (MARGIN,) * 3)
    assert box is not None  # there are votes
    images = [sitk.GetImageFromArray((mask[box] != 0).astype(np.uint8)) for mask in masks]
    probability = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0))
    out = np.zeros(votes.shape, bool)
    out[box] = probability >= STAPLE_PROBABILITY
    return out
