"""Loss terms that more than one network uses, and what a term is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lesionseg.models.targets import Target, pixel_owners

PIXEL_LOSSES = ("cross_entropy", "dice_cross_entropy")


@dataclass(frozen=True, eq=False)
class LossTerm:
    """One term of a training loss, and what it is made of.

    value: () float, to be summed with the other terms. output: what the network said, from which
    the term was computed. parts: what each element (pixel, anchor, RoI, mask cell) adds, all up to
    one factor; None where the term is no sum over elements.
    owners: gives the lesion piece that each element answers for, int64 that broadcasts against
    `output` and `parts`: a place among the pieces of all targets in a row, or targets.BACKGROUND.
    It is a function because training never asks.
    """

    value: Tensor
    output: Tensor
    owners: Callable[[], Tensor]
    parts: Tensor | None


def loss_terms(
    network: nn.Module, images: Tensor, targets: Sequence[Target]
) -> dict[str, LossTerm]:
    """The terms whose values `network.losses(images, targets)` returns: to look into, not to train.

    network: one that `build_model` made. Their gradient reaches the weights, as that of `losses`.
    """
    terms: dict[str, LossTerm] = network._loss_terms(images, targets)  # type: ignore[operator]
    return terms


def term_values(terms: Mapping[str, LossTerm]) -> dict[str, Tensor]:
    """What training sums."""
    return {name: term.value for name, term in terms.items()}


def cross_entropy_term(logits: Tensor, semantic: Tensor, owners: Callable[[], Tensor]) -> LossTerm:
    """Mean cross-entropy over every pixel alike.

    logits: (N, 1 + K, H, W). semantic: (N, H, W). owners: gives (N, 1, H, W).
    """
    parts = F.cross_entropy(logits, semantic, reduction="none")
    return LossTerm(parts.mean(), logits, owners, parts[:, None])


def pixel_loss_terms(logits: Tensor, targets: Sequence[Target], loss: str) -> dict[str, LossTerm]:
    """The terms of a semantic network. logits: (N, 1 + K, H, W) float32.

    loss: `cross_entropy`, every pixel alike, or `dice_cross_entropy`, with the soft Dice of the
    batch's lesion pixels added (Milletari et al. 2016).
    """
    semantic = torch.stack([target.semantic for target in targets])
    owners = partial(pixel_owners, targets)
    terms = {"cross_entropy": cross_entropy_term(logits, semantic, owners)}
    if loss == "dice_cross_entropy":
        terms["dice"] = LossTerm(soft_dice_loss(logits, semantic), logits, owners, None)
    return terms


def checked_pixel_loss(loss: str) -> str:
    """`loss` if it is one of PIXEL_LOSSES. Raises ValueError otherwise."""
    if loss not in PIXEL_LOSSES:
        raise ValueError(f"loss is {loss!r}, known: {', '.join(PIXEL_LOSSES)}")
    return loss


def lesion_probabilities(logits: Tensor) -> list[Tensor]:
    """Logits (N, 1 + K, H, W) -> probability (H, W) float32 of any lesion, by image, on the CPU."""
    return list((1 - logits.float().softmax(dim=1)[:, 0]).cpu())


def soft_dice_loss(logits: Tensor, semantic: Tensor) -> Tensor:
    """One minus the soft Dice of lesion against background over the whole batch.

    logits: (N, 1 + K, H, W). semantic: (N, H, W). Without any lesion it falls as the net says so.
    """
    lesion = 1 - logits.softmax(dim=1)[:, 0]
    truth = (semantic > 0).to(lesion.dtype)
    overlap = (lesion * truth).sum()
    return 1 - (2 * overlap + 1) / (lesion.sum() + truth.sum() + 1)
