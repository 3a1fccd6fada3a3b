"""Which lesion piece each element of a loss term belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lesionseg.models.interface import LossTerm
from lesionseg.models.targets import BACKGROUND, Target, owners_in_batch


def term_owners(term: LossTerm, targets: Sequence[Target]) -> Tensor:
    """The piece of each element of `term`, int64, broadcasting against its output and elements.

    It is an index into the concatenated pieces of all targets, or BACKGROUND, which ignored anchors
    and pixels outside lesions have too.
    """
    if term.matches is None:
        return pixel_owners(targets)
    owners = torch.cat([one.flatten() for one in owners_in_batch(term.matches, targets)])
    if term.chosen is not None:
        owners = owners[term.chosen.flatten()]
    num, axes = 1, 0  # how many leading axes of the output the elements fill
    while axes == 0 or num < len(owners):
        num, axes = num * term.output.shape[axes], axes + 1
    trailing = [1] * (term.output.ndim - axes)
    owners = owners.view(*term.output.shape[:axes], *trailing)
    if term.drawn is not None:  # mask cells that the lesion does not cover are background
        owners = torch.where(term.drawn >= 0.5, owners, BACKGROUND)
    return owners


def pixel_owners(targets: Sequence[Target]) -> Tensor:
    """The piece that holds each pixel: (N, 1, H, W) int64.

    It is an index into the concatenated pieces of all N targets, or BACKGROUND. Of pieces inside
    one another the innermost, which stands last, has the pixel.
    """
    within = []
    for target in targets:
        number = torch.arange(1, len(target.masks) + 1, device=target.masks.device)
        nobody = target.masks.new_zeros((1, *target.semantic.shape), dtype=torch.long)
        held = torch.cat([nobody, target.masks * number[:, None, None]])
        within.append(held.amax(dim=0) + BACKGROUND)
    return torch.stack(owners_in_batch(within, targets))[:, None]
