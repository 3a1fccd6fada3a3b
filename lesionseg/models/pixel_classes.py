"""What a network that judges every pixel gives out: classes that exclude one another, or regions.

Exclusive classes compete in a softmax with background; regions, which contain one another, have a
sigmoid each (Isensee et al. 2021, region-based training).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lesionseg.lesion_kinds import IGNORED


@dataclass(frozen=True)
class PixelClasses:
    """num_classes: K. inside: of regions, by class the number of the class around it, 0 for none;
    None for classes that exclude one another."""

    num_classes: int
    inside: tuple[int, ...] | None = None

    @property
    def kind(self) -> Literal["classes", "scores"]:
        """Of its logits, as `LossTerm` names it."""
        return "classes" if self.inside is None else "scores"

    @property
    def num_maps(self) -> int:
        """Outputs of a pixel."""
        return self.num_classes + (self.inside is None)

    def probabilities(self, logits: Tensor) -> Tensor:
        """logits (N, num_maps, H, W) -> (N, K, H, W) float32, of the pixel being of each class."""
        if self.inside is not None:
            return logits.float().sigmoid()
        found = logits.float().softmax(dim=1)
        return 1 - found[:, :1] if self.num_classes == 1 else found[:, 1:]

    def truth(self, semantic: Tensor) -> Tensor:
        """semantic (N, H, W), the innermost class of each pixel -> (N, K, H, W) bool: the classes
        that it belongs to, none where nobody judged."""
        return members(self, semantic.device)[semantic.clamp(min=0)].movedim(-1, 1)


@functools.cache
def members(classes: PixelClasses, device: torch.device) -> Tensor:
    """(1 + K, K) bool: whether a pixel of class i, or of background, belongs to class j + 1."""
    member = torch.zeros(1 + classes.num_classes, classes.num_classes, dtype=torch.bool)
    for number in range(1, 1 + classes.num_classes):
        around = number
        while around:
            member[number, around - 1] = True
            around = classes.inside[around - 1] if classes.inside is not None else 0
    return member.to(device)


def judged(semantic: Tensor) -> Tensor:
    """Where anybody judged: bool of the same shape."""
    return semantic != IGNORED
