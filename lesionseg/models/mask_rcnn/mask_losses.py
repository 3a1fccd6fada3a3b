"""How the mask head's K x m x m maps are read and trained: one of four ways.

`sigmoid`: each class has a map of its own and none competes (He et al. 2017, section 3).
`softmax`: the classes and background compete for each cell. `mse`: squared error of the sigmoid.
`bce_dice`: the sigmoid's cross-entropy and one minus the soft Dice of each RoI.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lesionseg.models.interface import LossTerm

MASK_LOSSES = ("sigmoid", "softmax", "mse", "bce_dice")


def num_maps(mask_loss: str, num_classes: int) -> int:
    """Maps the head gives: one a class, and one for background where they compete."""
    if mask_loss not in MASK_LOSSES:
        raise ValueError(f"mask_loss is {mask_loss!r}, known: {', '.join(MASK_LOSSES)}")
    return num_classes + (mask_loss == "softmax")


def mask_probability(maps: Tensor, labels: Tensor, mask_loss: str) -> Tensor:
    """maps: (R, num_maps, m, m). labels: (R,) 1..K. Returns (R, m, m) in [0, 1]."""
    place = torch.arange(len(labels), device=labels.device)
    if mask_loss == "softmax":
        return maps.float().softmax(dim=1)[place, labels]
    return maps[place, labels - 1].float().sigmoid()


def mask_loss_term(
    maps: Tensor, labels: Tensor, wanted: Tensor, mask_loss: str, matches: Sequence[Tensor]
) -> LossTerm:
    """Mean loss over every cell of every RoI. wanted: (R, m, m); the first arguments as above.

    matches: of each image, the piece that each of its RoIs is to outline. A target between 0 and 1,
    at a lesion's edge, is met by the probability of that share.
    """
    num = max(wanted.numel(), 1)
    if mask_loss == "softmax":
        logs = maps.float().log_softmax(dim=1)
        own = logs[torch.arange(len(labels), device=labels.device), labels]
        parts = -(wanted * own + (1 - wanted) * logs[:, 0])[:, None]
        return LossTerm(parts.sum() / num, maps, parts, matches=matches, drawn=wanted[:, None])
    own = maps[torch.arange(len(labels), device=labels.device), labels - 1].float()
    if mask_loss == "mse":
        parts = (own.sigmoid() - wanted).square()
        return LossTerm(parts.sum() / num, own, parts, matches=matches, drawn=wanted)
    parts = F.binary_cross_entropy_with_logits(own, wanted, reduction="none")
    entropy = parts.sum() / num
    if mask_loss == "sigmoid":
        return LossTerm(entropy, own, parts, matches=matches, drawn=wanted)
    drawn = own.sigmoid().flatten(1)
    truth = wanted.flatten(1)
    dice = (2 * (drawn * truth).sum(1) + 1) / (drawn.sum(1) + truth.sum(1) + 1)
    value = entropy + (1 - dice).sum() / max(len(dice), 1)
    return LossTerm(value, own, None, matches=matches, drawn=wanted)
