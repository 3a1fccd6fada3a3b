"""Loss terms of pixel networks that count lesions and not pixels: each lesion weighs alike.

All read the probability of each class, (N, K, H, W), and the pieces of each slice's target; they
are zero, with a zero gradient, where a batch holds no lesion. What nobody judged adds to none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from lesionseg.models.interface import LossTerm
from lesionseg.models.pixel_classes import PixelClasses, judged
from lesionseg.models.targets import Target

SMOOTH = 1.0  # pixels added above and below each Dice
# Luu et al. 2026, CATMIL, as published: a false positive weighs less than a miss, a lesion of n
# pixels has 1 / (n + 5) a pixel, background a tenth
FALSE_POSITIVE, MISS, ADDED_PX, BACKGROUND_WEIGHT = 0.3, 0.7, 5.0, 0.1
DETECTION_WEIGHT = 0.2

# probability (H, W) of one class in one slice, its pieces (R, H, W) bool, judged pixels (H, W)
OfSlice = tuple[Tensor, Tensor, Tensor]


def blob_term(logits: Tensor, targets: Sequence[Target], classes: PixelClasses) -> LossTerm:
    """One minus the soft Dice of each lesion among the background alone (Kofler et al. 2023, blob
    loss), as the mean over the batch's lesions."""

    def value(slices: Iterator[OfSlice]) -> Tensor:
        losses = []
        for lesion, pieces, used in slices:
            outside = (lesion * used * ~pieces.any(0)).sum()
            overlap, size = (lesion * used * pieces).sum((1, 2)), (pieces & used).sum((1, 2))
            losses.append(1 - (2 * overlap + SMOOTH) / (outside + overlap + size + SMOOTH))
        return torch.cat(losses).mean()

    return _term(logits, targets, classes, value)


def component_dice_term(
    logits: Tensor, targets: Sequence[Target], classes: PixelClasses
) -> LossTerm:
    """One minus the soft Dice within the pixels that are nearest to each lesion (Bouteille et al.
    2025, CC-DiceCE, after Jaus et al. 2025), as the mean over the batch's lesions."""

    def value(slices: Iterator[OfSlice]) -> Tensor:
        losses = []
        for lesion, pieces, used in slices:
            nearest = _nearest_piece(pieces)[used]
            found, wanted = lesion[used], pieces.any(0)[used]

            def summed(values: Tensor, nearest: Tensor = nearest, num: int = len(pieces)) -> Tensor:
                return values.new_zeros(num).index_add(0, nearest, values)

            overlap = summed(found * wanted)
            size = summed(wanted.to(found.dtype))
            losses.append(1 - (2 * overlap + SMOOTH) / (summed(found) + size + SMOOTH))
        return torch.cat(losses).mean()

    return _term(logits, targets, classes, value)


def component_tversky_term(
    logits: Tensor, targets: Sequence[Target], classes: PixelClasses
) -> LossTerm:
    """One minus the Tversky index of all slices with lesions, in which a lesion's pixels share a
    weight that hardly grows with its size (Luu et al. 2026)."""

    def value(slices: Iterator[OfSlice]) -> Tensor:
        sums = []
        for lesion, pieces, used in slices:
            weights = pieces / (pieces.sum((1, 2), keepdim=True) + ADDED_PX)
            weight, wanted = weights.amax(0) * used, pieces.any(0)
            outside = (lesion * ~wanted * used).sum() * BACKGROUND_WEIGHT
            sums.append(
                torch.stack([(weight * lesion).sum(), (weight * (1 - lesion)).sum(), outside])
            )
        hit, miss, outside = torch.stack(sums).sum(0)
        return 1 - hit / (hit + MISS * miss + FALSE_POSITIVE * outside).clamp(min=1e-6)

    return _term(logits, targets, classes, value)


def lesion_peak_term(logits: Tensor, targets: Sequence[Target], classes: PixelClasses) -> LossTerm:
    """DETECTION_WEIGHT times the cross-entropy of the most probable pixel of each lesion: one sure
    pixel finds it (multiple-instance learning, Luu et al. 2026)."""

    def value(slices: Iterator[OfSlice]) -> Tensor:
        peaks = torch.cat([(lesion * pieces).amax((1, 2)) for lesion, pieces, _ in slices])
        return DETECTION_WEIGHT * -(peaks + 1e-6).log().mean()  # a slope however low it is

    return _term(logits, targets, classes, value)


def _term(
    logits: Tensor,
    targets: Sequence[Target],
    classes: PixelClasses,
    value: Callable[[Iterator[OfSlice]], Tensor],
) -> LossTerm:
    """A term that is no sum over pixels. value: of the slices and classes with lesions."""

    def again(other: Tensor) -> LossTerm:
        probability = classes.probabilities(other)
        slices = list(_with_lesions(probability, targets))
        found = value(iter(slices)) if slices else 0 * probability.sum()
        return LossTerm(found, other, None, classes.kind, again)

    return again(logits)


def _with_lesions(probability: Tensor, targets: Sequence[Target]) -> Iterator[OfSlice]:
    for found, target in zip(probability, targets):
        used = judged(target.semantic)
        for number, lesion in enumerate(found, 1):
            pieces = target.masks[target.labels == number]
            if len(pieces):
                yield lesion, pieces, used


def _nearest_piece(pieces: Tensor) -> Tensor:
    """(H, W) long: the piece that each pixel lies in or nearest to."""
    owner = (torch.arange(len(pieces), device=pieces.device)[:, None, None] * pieces).sum(0)
    outside = ~pieces.any(0).cpu().numpy()
    _, place = ndimage.distance_transform_edt(outside, return_indices=True)
    row, column = torch.from_numpy(np.asarray(place, dtype=np.int64)).to(pieces.device)
    return owner[row, column]
