"""Pixel-wise loss terms, which more than one network uses. What nobody judged adds to none."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lesionseg.lesion_kinds import IGNORED
from lesionseg.models.interface import LossTerm
from lesionseg.models.pixel_classes import PixelClasses, judged
from lesionseg.models.targets import Target

PIXEL_LOSSES = ("cross_entropy", "dice_cross_entropy")


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


def dice_term(logits: Tensor, semantic: Tensor, classes: PixelClasses) -> LossTerm:
    """`soft_dice_loss` as a term; arguments as there."""

    def again(other: Tensor) -> LossTerm:
        return dice_term(other, semantic, classes)

    value = soft_dice_loss(logits, semantic, classes)
    return LossTerm(value, logits, None, classes.kind, again)


def pixel_loss_terms(
    logits: Tensor, targets: Sequence[Target], loss: str, classes: PixelClasses
) -> dict[str, LossTerm]:
    """The terms of a semantic network. logits: (N, num_maps, H, W) float32.

    loss: `cross_entropy`, every pixel alike, or `dice_cross_entropy`, with the soft Dice of the
    batch's lesion pixels added (Milletari et al. 2016).
    """
    semantic = torch.stack([target.semantic for target in targets])
    terms = {"cross_entropy": cross_entropy_term(logits, semantic, classes)}
    if loss == "dice_cross_entropy":
        terms["dice"] = dice_term(logits, semantic, classes)
    return terms


def checked_pixel_loss(loss: str) -> str:
    """`loss` if it is one of PIXEL_LOSSES. Raises ValueError otherwise."""
    if loss not in PIXEL_LOSSES:
        raise ValueError(f"loss is {loss!r}, known: {', '.join(PIXEL_LOSSES)}")
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
