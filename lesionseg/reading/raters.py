"""Several raters' masks of one scan, made into one reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.components import label_components
from lesionseg.lesion_classes import LesionClasses
from lesionseg.lesion_kinds import IGNORED
from lesionseg.wording import counted

STAPLE_PROBABILITY = 0.5
MARGIN = 5  # voxels of agreed background that STAPLE sees around all lesions


@dataclass(frozen=True, eq=False)
class JoinedRaters:
    """numbers: (X, Y, Z) class numbers, booleans of one class. num_disputed: lesions, or parts of
    them, that enough raters drew and too few as the same class."""

    numbers: NDArray[Any]
    num_disputed: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of them."""
        if not self.num_disputed:
            return ()
        what = counted(self.num_disputed, "lesion")
        return (f"raters agree on {what} (or a part of one) and not on the class: ignored",)


def joined_raters(
    maps: Mapping[str, NDArray[Any]],
    classes: LesionClasses,
    method: str,
    few: str = "background",
) -> JoinedRaters:
    """One map of class numbers (X, Y, Z) from that of each rater, class by class, by `consensus`.

    Of regions each is joined whole, the innermost counts. A rater has no vote where that rater
    ignores, and what the missing votes would decide is IGNORED. So is what enough raters draw, of
    any class, and too few of the same one. few: "ignore" makes IGNORED too what too few raters
    drew: the components of what any of them drew of which the consensus has no voxel.
    """
    every = list(maps.values())
    if few == "background" and len(classes) == 1 and all(one.dtype == bool for one in every):
        return JoinedRaters(consensus(every, method))
    unjudged = [one == IGNORED for one in every]
    drawn_by_any = [one > 0 for one in every]
    of_any, undecided = _decided(drawn_by_any, unjudged, method)
    out = np.zeros(every[0].shape, np.int32)
    for number in range(1, len(classes) + 1):
        drawn = [np.isin(one, classes.within(number)) for one in every]
        sure, unsure = _decided(drawn, unjudged, method)
        out[sure] = number
        undecided |= unsure
    disputed = of_any & (out == 0) & ~undecided
    if few == "ignore":
        pieces = label_components(np.any(drawn_by_any, axis=0))
        out[(pieces > 0) & ~np.isin(pieces, pieces[out > 0])] = IGNORED
    out[undecided | disputed] = IGNORED
    return JoinedRaters(out, int(label_components(disputed).max(initial=0)))


def _decided(
    drawn: Sequence[NDArray[np.bool_]], unjudged: Sequence[NDArray[np.bool_]], method: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the consensus is lesion whatever the raters who ignore a voxel would have drawn, and
    where it depends on them."""
    least = consensus(drawn, method)
    if not np.any(unjudged):
        return least, np.zeros_like(least)
    most = consensus([a | b for a, b in zip(drawn, unjudged)], method)
    return least & most, least ^ most


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
