"""The baseline: MONAI's residual U-Net on the same slabs, with a pixel-wise loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from monai.networks.nets import UNet
from torch import Tensor, nn

from lesionseg.models.losses import LossTerm, cross_entropy_term, soft_dice_loss, term_values
from lesionseg.models.targets import Target, pixel_owners

LOSSES = ("cross_entropy", "dice_cross_entropy")


class UNetBaseline(nn.Module):
    """2.5D semantic segmentation of the centre slice.

    images: (N, in_channels, H, W) float; any H and W, padded here to the coarsest stride.
    loss: `cross_entropy`, every pixel alike, or `dice_cross_entropy`, with the soft Dice of the
    batch's lesion pixels added (Milletari et al. 2016).
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
        if loss not in LOSSES:
            raise ValueError(f"loss is {loss!r}, known: {', '.join(LOSSES)}")
        self.loss, self.stride = loss, 2 ** (len(channels) - 1)
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
        bottom, right = -height % self.stride, -width % self.stride
        padded = F.pad(images, (0, right, 0, bottom), mode="replicate")
        return self.net(padded)[..., :height, :width]

    def losses(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Loss terms by name, to be summed."""
        return term_values(self._loss_terms(images, targets))

    def _loss_terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, LossTerm]:
        semantic = torch.stack([target.semantic for target in targets])
        logits = self(images).float()
        owners = partial(pixel_owners, targets)
        terms = {"cross_entropy": cross_entropy_term(logits, semantic, owners)}
        if self.loss == "dice_cross_entropy":
            terms["dice"] = LossTerm(soft_dice_loss(logits, semantic), logits, owners, None)
        return terms

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Tensor]:
        """Lesion probability (H, W) float32 of each image's centre slice, on the CPU."""
        probability = 1 - self(images).float().softmax(dim=1)[:, 0]
        return list(probability.cpu())
