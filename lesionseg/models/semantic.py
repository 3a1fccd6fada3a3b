"""What networks that give every pixel a class have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.losses import checked_pixel_loss, pixel_loss_terms
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.targets import Target


class SemanticNetwork(Network):
    """loss: of `losses.LOSSES`. classes: what it tells apart. scored_by: as in `Network`."""

    detects = False

    def __init__(self, *, loss: str, classes: PixelClasses, scored_by: str = "peak") -> None:
        super().__init__()
        self.scored_by = scored_by
        self.classes = classes
        self.loss = checked_pixel_loss(loss)

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, num_maps, H, W)."""

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """The terms of `loss`; nothing is drawn."""
        return pixel_loss_terms(self(images).float(), targets, self.loss, self.classes)

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Tensor]:
        """Probability of each class (K, H, W) float32 of each image's centre slice."""
        return list(self.classes.probabilities(self(images)))
