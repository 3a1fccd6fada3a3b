"""Loss terms that more than one network uses."""

from __future__ import annotations

from torch import Tensor


def soft_dice_loss(logits: Tensor, semantic: Tensor) -> Tensor:
    """One minus the soft Dice of lesion against background over the whole batch.

    logits: (N, 1 + K, H, W). semantic: (N, H, W). Without any lesion it falls as the net says so.
    """
    lesion = 1 - logits.softmax(dim=1)[:, 0]
    truth = (semantic > 0).to(lesion.dtype)
    overlap = (lesion * truth).sum()
    return 1 - (2 * overlap + 1) / (lesion.sum() + truth.sum() + 1)
