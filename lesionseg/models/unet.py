"""The baseline: MONAI's residual U-Net on the same slabs, with a pixel-wise loss."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets import UNet
from torch import Tensor

from lesionseg.models.blocks import padded
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.semantic import SemanticNetwork


class UNetBaseline(SemanticNetwork):
    """2.5D semantic segmentation of the centre slice.

    images: (N, in_channels, H, W) float; any H and W, padded here to the coarsest stride.
    """

    def __init__(
        self,
        in_channels: int,
        classes: PixelClasses,
        *,
        channels: Sequence[int],
        residual_units: int,
        norm: str,
        loss: str,
        scored_by: str,
    ) -> None:
        super().__init__(loss=loss, classes=classes, scored_by=scored_by)
        self.stride = 2 ** (len(channels) - 1)
        self.net = UNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=classes.num_maps,
            channels=list(channels),
            strides=[2] * (len(channels) - 1),
            num_res_units=residual_units,
            norm=norm,
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, num_maps, H, W)."""
        height, width = images.shape[2:]
        return self.net(padded(images, self.stride))[..., :height, :width]
