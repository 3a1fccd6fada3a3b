"""Pixel-wise loss terms, which more than one network uses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lesionseg.models.interface import LossTerm
from lesionseg.models.targets import Target

PIXEL_LOSSES = ("cross_entropy", "dice_cross_entropy")


def cross_entropy_term(logits: Tensor, semantic: Tensor) -> LossTerm:
    """Mean cross-entropy over every pixel alike.

    logits: (N, 1 + K, H, W). semantic: (N, H, W).
    """
    pixels = F.cross_entropy(logits, semantic, reduction="none")

    def again(other: Tensor) -> LossTerm:
        return cross_entropy_term(other, semantic)

    return LossTerm(pixels.mean(), logits, pixels[:, None], "classes", again)


def dice_term(logits: Tensor, semantic: Tensor) -> LossTerm:
    """`soft_dice_loss` as a term; arguments as there."""

    def again(other: Tensor) -> LossTerm:
        return dice_term(other, semantic)

    return LossTerm(soft_dice_loss(logits, semantic), logits, None, "classes", again)


def pixel_loss_terms(logits: Tensor, targets: Sequence[Target], loss: str) -> dict[str, LossTerm]:
    """The terms of a semantic network. logits: (N, 1 + K, H, W) float32.

    loss: `cross_entropy`, every pixel alike, or `dice_cross_entropy`, with the soft Dice of the
    batch's lesion pixels added (Milletari et al. 2016).
    """
    semantic = torch.stack([target.semantic for target in targets])
    terms = {"cross_entropy": cross_entropy_term(logits, semantic)}
    if loss == "dice_cross_entropy":
        terms["dice"] = dice_term(logits, semantic)
    return terms


def checked_pixel_loss(loss: str) -> str:
    """`loss` if it is one of PIXEL_LOSSES. Raises ValueError otherwise."""
    if loss not in PIXEL_LOSSES:
        raise ValueError(f"loss is {loss!r}, known: {', '.join(PIXEL_LOSSES)}")
    return loss


def lesion_probabilities(logits: Tensor) -> list[Tensor]:
    """Logits (N, 1 + K, H, W) -> probability (H, W) float32 of any lesion, by image."""
    return list(1 - logits.float().softmax(dim=1)[:, 0])


def soft_dice_loss(logits: Tensor, semantic: Tensor) -> Tensor:
    """One minus the soft Dice of lesion against background over the whole batch.

    logits: (N, 1 + K, H, W). semantic: (N, H, W). Without any lesion it falls as the predicted
    probabilities do.
    """
    lesion = 1 - logits.softmax(dim=1)[:, 0]
    truth = (semantic > 0).to(lesion.dtype)
    overlap = (lesion * truth).sum()
    return 1 - (2 * overlap + 1) / (lesion.sum() + truth.sum() + 1)
