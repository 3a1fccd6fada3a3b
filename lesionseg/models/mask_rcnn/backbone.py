"""A small residual network with a feature pyramid whose finest level has stride 2."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from lesionseg.models.blocks import ResidualBlock, conv_block


class PyramidBackbone(nn.Module):
    """Residual stages at strides 2, 4, 8, ... and a top-down pyramid over them (Lin et al. 2017).

    in_channels: of a slab. widths: channels of each stage. blocks: residual blocks of each stage.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        pyramid_channels: int,
        norm: str,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"{len(widths)} widths for {len(blocks)} stages; give one a stage")
        self.stem = conv_block(in_channels, widths[0], norm=norm)
        stages, inputs = [], widths[0]
        for width, num in zip(widths, blocks):
            first = ResidualBlock(inputs, width, norm=norm, stride=2)
            rest = [ResidualBlock(width, width, norm=norm) for _ in range(num - 1)]
            stages.append(nn.Sequential(first, *rest))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(w, pyramid_channels, 1) for w in widths)
        self.smooth = nn.ModuleList(
            conv_block(pyramid_channels, pyramid_channels, norm=norm) for _ in widths
        )
        self.strides = tuple(2 ** (i + 1) for i in range(len(widths)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, C, H, W), H and W multiples of the last stride -> finest level first."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        merged = [self.lateral[-1](features[-1])]
        for lateral, feature in zip(list(self.lateral)[-2::-1], features[-2::-1]):
            merged.append(lateral(feature) + F.interpolate(merged[-1], scale_factor=2.0))
        return [smooth(level) for smooth, level in zip(self.smooth, merged[::-1])]
