"""The baseline: MONAI's residual U-Net on the same slabs, with a pixel-wise loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import Generator, Tensor

from lesionseg.models.blocks import padded
from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.losses import (
    checked_pixel_loss,
    lesion_probabilities,
    pixel_loss_terms,
)
from lesionseg.models.targets import Target


class UNetBaseline(Network):
    """2.5D semantic segmentation of the centre slice.

    images: (N, in_channels, H, W) float; any H and W, padded here to the coarsest stride.
    loss: `cross_entropy` or `dice_cross_entropy`, see losses.pixel_loss_terms.
    """

    detects = False

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        channels: Sequence[int],
        residual_units: int,
        norm: str,
        loss: str,
    ) -> None:
        super().__init__()
        self.loss, self.stride = checked_pixel_loss(loss), 2 ** (len(channels) - 1)
        self.net = UNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=num_classes + 1,
            channels=list(channels),
            strides=[2] * (len(channels) - 1),
            num_res_units=residual_units,
            norm=norm,
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, 1 + K, H, W)."""
        height, width = images.shape[2:]
        return self.net(padded(images, self.stride))[..., :height, :width]

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """The terms of `loss`; nothing is drawn."""
        return pixel_loss_terms(self(images).float(), targets, self.loss)

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Tensor]:
        """Lesion probability (H, W) float32 of each image's centre slice."""
        return lesion_probabilities(self(images))
