"""The losses of networks that judge every pixel, by name. What nobody judged adds to none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lesionseg.lesion_kinds import IGNORED
from lesionseg.models.interface import LossTerm
from lesionseg.models.lesion_losses import (
    blob_term,
    component_dice_term,
    component_tversky_term,
    lesion_peak_term,
)
from lesionseg.models.pixel_classes import PixelClasses, judged
from lesionseg.models.targets import Target

LESION_WEIGHT = 10.0  # of a lesion pixel in the weighted cross-entropy
FOCUS = 2.0  # exponent of the focal loss, Lin et al. 2017
# Abraham & Khan 2019: a miss weighs more than a false positive; the exponent lifts what is hard
MISS, FALSE_POSITIVE, TVERSKY_EXPONENT = 0.7, 0.3, 0.75


def cross_entropy_term(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> LossTerm:
    """Mean cross-entropy over every judged pixel alike; of regions, over pixels and regions.

    logits: (N, num_maps, H, W). semantic: (N, H, W).
    """
    used = judged(semantic)
    if classes.inside is None:
        pixels = F.cross_entropy(logits, semantic, ignore_index=IGNORED, reduction="none")[:, None]
    else:
        truth = classes.truth(semantic).to(logits.dtype)
        pixels = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        pixels = pixels * used[:, None]

    def again(other: Tensor) -> LossTerm:
        return cross_entropy_term(other, semantic, classes)

    # the mean of all pixels times the share that is used: one where none is ignored
    value = pixels.mean() * (used.numel() / used.sum().clamp(min=1))
    return LossTerm(value, logits, pixels, classes.kind, again)


def weighted_entropy_term(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> LossTerm:
    """The same with a lesion pixel weighing LESION_WEIGHT, as a weighted mean."""
    weights = torch.where(semantic > 0, LESION_WEIGHT, 1.0)[:, None]
    share = semantic.numel() / (weights[:, 0] * judged(semantic)).sum().clamp(min=1)
    return _entropy_of(logits, semantic, classes, lambda pixels: weights * pixels, share)


def focal_term(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> LossTerm:
    """The same with each pixel weighed by how wrong it is, to the power of FOCUS."""
    share = semantic.numel() / judged(semantic).sum().clamp(min=1)

    def weigh(pixels: Tensor) -> Tensor:
        return (1 - (-pixels).exp()) ** FOCUS * pixels

    return _entropy_of(logits, semantic, classes, weigh, share)


def _entropy_of(
    logits: Tensor,
    semantic: Tensor,
    classes: PixelClasses,
    weigh: Callable[[Tensor], Tensor],
    share: Tensor,
) -> LossTerm:
    """The cross-entropy of each pixel, weighed; its mean times `share`."""

    def again(other: Tensor) -> LossTerm:
        entropy = cross_entropy_term(other, semantic, classes)
        assert entropy.per_element is not None
        pixels = weigh(entropy.per_element)
        return LossTerm(pixels.mean() * share, other, pixels, entropy.kind, again)

    return again(logits)


def dice_term(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> LossTerm:
    """`soft_dice_loss` as a term; arguments as there."""

    def again(other: Tensor) -> LossTerm:
        return dice_term(other, semantic, classes)

    value = soft_dice_loss(logits, semantic, classes)
    return LossTerm(value, logits, None, classes.kind, again)


def tversky_term(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> LossTerm:
    """The focal Tversky loss of a class over the batch, as the mean over classes (Abraham & Khan
    2019). logits: (N, num_maps, H, W). semantic: (N, H, W)."""
    used = judged(semantic)[:, None]
    truth = classes.truth(semantic)

    def again(other: Tensor) -> LossTerm:
        lesion = classes.probabilities(other)
        hit, miss, false = (
            part.sum((0, 2, 3))
            for part in (lesion * truth, (1 - lesion) * truth, lesion * ~truth * used)
        )
        index = (hit + 1) / (hit + MISS * miss + FALSE_POSITIVE * false + 1)
        # the slope of a power of 0 is infinite
        value = (1 - index).clamp(min=1e-6) ** TVERSKY_EXPONENT
        return LossTerm(value.mean(), other, None, classes.kind, again)

    return again(logits)


Terms = Callable[[Tensor, Sequence[Target], Tensor, PixelClasses], dict[str, LossTerm]]


def _dice_and(**more: Callable[[Tensor, Sequence[Target], PixelClasses], LossTerm]) -> Terms:
    """Cross-entropy and soft Dice, and terms that count lesions."""

    def terms(
        logits: Tensor, targets: Sequence[Target], semantic: Tensor, classes: PixelClasses
    ) -> dict[str, LossTerm]:
        return {
            "cross_entropy": cross_entropy_term(logits, semantic, classes),
            "dice": dice_term(logits, semantic, classes),
            **{name: term(logits, targets, classes) for name, term in more.items()},
        }

    return terms


LOSSES: Mapping[str, Terms] = {
    "cross_entropy": lambda x, _, y, k: {"cross_entropy": cross_entropy_term(x, y, k)},
    "weighted_cross_entropy": lambda x, _, y, k: {"cross_entropy": weighted_entropy_term(x, y, k)},
    "focal": lambda x, _, y, k: {"focal": focal_term(x, y, k)},
    "dice_cross_entropy": _dice_and(),
    "focal_tversky": lambda x, _, y, k: {"tversky": tversky_term(x, y, k)},
    "blob": _dice_and(blob=blob_term),
    "component_dice": _dice_and(component_dice=component_dice_term),
    "catmil": _dice_and(component_tversky=component_tversky_term, lesion_peak=lesion_peak_term),
}


def pixel_loss_terms(
    logits: Tensor, targets: Sequence[Target], loss: str, classes: PixelClasses
) -> dict[str, LossTerm]:
    """The terms of a semantic network. logits: (N, num_maps, H, W) float32. loss: of LOSSES."""
    semantic = torch.stack([target.semantic for target in targets])
    return LOSSES[loss](logits, targets, semantic, classes)


def checked_pixel_loss(loss: str) -> str:
    """`loss` if it is one of LOSSES. Raises ValueError otherwise."""
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}, known: {', '.join(LOSSES)}")
    return loss


def soft_dice_loss(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> Tensor:
    """One minus the soft Dice of a class over the whole batch, as the mean over classes.

    logits: (N, num_maps, H, W). semantic: (N, H, W). Without any lesion it falls as the predicted
    probabilities do.
    """
    used = judged(semantic)
    lesion, truth = classes.probabilities(logits), classes.truth(semantic)
    losses = []
    for number in range(classes.num_classes):
        found = lesion[:, number] * used
        wanted = truth[:, number].to(found.dtype)
        overlap = (found * wanted).sum()
        losses.append(1 - (2 * overlap + 1) / (found.sum() + wanted.sum() + 1))
    return torch.stack(losses).mean()
