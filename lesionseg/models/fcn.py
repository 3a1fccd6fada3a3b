"""A one-stage network on the detector's own backbone: every pixel a class, no boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from lesionseg.models.blocks import padded
from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.losses import (
    checked_pixel_loss,
    lesion_probabilities,
    pixel_loss_terms,
)
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone
from lesionseg.models.targets import Target


class PyramidFCN(Network):
    """Fully convolutional segmentation (Long et al. 2015) from upsampled pyramid features.

    What the detector would be without its second stage. backbone: of one level. dense: its head.
    loss: `cross_entropy` or `dice_cross_entropy`.
    """

    detects = False

    def __init__(self, backbone: PyramidBackbone, dense: DenseHead, *, loss: str) -> None:
        super().__init__()
        self.loss = checked_pixel_loss(loss)
        self.backbone, self.dense = backbone, dense

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, 1 + K, H, W)."""
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        return self.dense(pyramid[0], (images.shape[2], images.shape[3]))

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """The terms of `loss`; nothing is drawn."""
        return pixel_loss_terms(self(images).float(), targets, self.loss)

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Tensor]:
        """Lesion probability (H, W) float32 of each image's centre slice."""
        return lesion_probabilities(self(images))
