"""Loss terms that more than one network uses, and what a term is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from lesionseg.models.targets import Target


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


def soft_dice_loss(logits: Tensor, semantic: Tensor) -> Tensor:
    """One minus the soft Dice of lesion against background over the whole batch.

    logits: (N, 1 + K, H, W). semantic: (N, H, W). Without any lesion it falls as the net says so.
    """
    lesion = 1 - logits.softmax(dim=1)[:, 0]
    truth = (semantic > 0).to(lesion.dtype)
    overlap = (lesion * truth).sum()
    return 1 - (2 * overlap + 1) / (lesion.sum() + truth.sum() + 1)
