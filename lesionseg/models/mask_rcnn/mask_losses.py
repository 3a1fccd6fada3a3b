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
from lesionseg.models.targets import Target
from lesionseg.ops.masks import mask_targets

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


def judged_cells(targets: Sequence[Target], boxes: Sequence[Tensor], cells: int) -> Tensor | None:
    """Which cells of the masks inside boxes lie on pixels that anybody judged: (R, m, m) bool, the
    boxes of all images one after another; None where nothing is ignored."""
    ignored = [target.ignored for target in targets]
    if not any(bool(one.any()) for one in ignored):
        return None
    shares = [
        mask_targets(one.float().expand(len(box), -1, -1), box, cells)
        for one, box in zip(ignored, boxes)
    ]
    return torch.cat(shares) < 0.5


def mask_loss_term(
    maps: Tensor,
    labels: Tensor,
    wanted: Tensor,
    mask_loss: str,
    matches: Sequence[Tensor],
    used: Tensor | None = None,
) -> LossTerm:
    """Mean loss over every cell of every RoI. wanted: (R, m, m); the first arguments as above.

    matches: of each image, the piece that each of its RoIs is to outline. used: (R, m, m) bool, the
    cells that count; None: all. A target between 0 and 1, at a lesion's edge, is met by the
    probability of that share.
    """
    num = max(wanted.numel(), 1) if used is None else used.sum().clamp(min=1)
    place = torch.arange(len(labels), device=labels.device)

    def of_classes(maps: Tensor) -> LossTerm:
        logs = maps.float().log_softmax(dim=1)
        parts = -(wanted * logs[place, labels] + (1 - wanted) * logs[:, 0])[:, None]
        parts = parts if used is None else parts * used[:, None]
        value, drawn = parts.sum() / num, wanted[:, None]
        return LossTerm(value, maps, parts, "classes", of_classes, matches, drawn=drawn)

    def of_own(own: Tensor) -> LossTerm:
        value, parts = _own_map_loss(own, wanted, mask_loss, num, used)
        return LossTerm(value, own, parts, "masks", of_own, matches, drawn=wanted)

    if mask_loss == "softmax":
        return of_classes(maps)
    return of_own(maps[place, labels - 1].float())


def _own_map_loss(
    own: Tensor, wanted: Tensor, mask_loss: str, num: int | Tensor, used: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Value and parts of a loss on each RoI's own map: (R, m, m) logits and wanted shares. num: of
    the cells that count."""
    if mask_loss == "mse":
        parts = (own.sigmoid() - wanted).square()
        parts = parts if used is None else parts * used
        return parts.sum() / num, parts
    parts = F.binary_cross_entropy_with_logits(own, wanted, reduction="none")
    parts = parts if used is None else parts * used
    entropy = parts.sum() / num
    if mask_loss == "sigmoid":
        return entropy, parts
    drawn, truth = own.sigmoid(), wanted
    if used is not None:
        drawn, truth = drawn * used, truth * used
    drawn, truth = drawn.flatten(1), truth.flatten(1)
    dice = (2 * (drawn * truth).sum(1) + 1) / (drawn.sum(1) + truth.sum(1) + 1)
    return entropy + (1 - dice).sum() / max(len(dice), 1), None
