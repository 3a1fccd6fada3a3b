"""A one-stage network on the detector's own backbone: every pixel a class, no boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lesionseg.models.blocks import padded
from lesionseg.models.losses import (
    LossTerm,
    checked_pixel_loss,
    lesion_probabilities,
    pixel_loss_terms,
    term_values,
)
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone, backbone_size
from lesionseg.models.targets import Target


class PyramidFCN(nn.Module):
    """Fully convolutional segmentation (Long et al. 2015) from upsampled pyramid features.

    What the detector would be without its second stage. Settings as those of MaskRCNN; loss:
    `cross_entropy` or `dice_cross_entropy`.
    """

    detects = False

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        num_slices: int,
        backbone: str,
        fusion: str,
        norm: str,
        finest_stride: int,
        pyramid_channels: int,
        loss: str,
    ) -> None:
        super().__init__()
        self.loss = checked_pixel_loss(loss)
        self.backbone = PyramidBackbone(
            in_channels,
            size=backbone_size(backbone),
            pyramid_channels=pyramid_channels,
            norm=norm,
            fusion=fusion,
            num_slices=num_slices,
            finest_stride=finest_stride,
            num_levels=1,
        )
        self.dense = DenseHead(pyramid_channels, num_classes, finest_stride)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, 1 + K, H, W)."""
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        return self.dense(pyramid[0], (images.shape[2], images.shape[3]))

    def losses(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Loss terms by name, to be summed."""
        return term_values(self._loss_terms(images, targets))

    def _loss_terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, LossTerm]:
        return pixel_loss_terms(self(images).float(), targets, self.loss)

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Tensor]:
        """Lesion probability (H, W) float32 of each image's centre slice, on the CPU."""
        return lesion_probabilities(self(images))
