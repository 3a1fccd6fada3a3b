"""Residual networks in three sizes, and a feature pyramid whose finest level has stride 2 or 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from lesionseg.models.blocks import ResidualBlock, conv_block
from lesionseg.models.pixel_classes import PixelClasses

FUSIONS = ("stack", "volume")


@dataclass(frozen=True)
class BackboneSize:
    """Channels of the stem and of each stage, which has so many residual blocks.

    The stem works on every pixel, so its channels cost the most.
    """

    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    bottleneck: bool = False  # bottleneck blocks instead of plain ones


SIZES = {
    "nano": BackboneSize(16, (32, 48, 64, 96), (1, 1, 1, 1)),  # for a CPU
    "small": BackboneSize(32, (64, 96, 128, 192), (2, 2, 2, 2)),
    "base": BackboneSize(64, (256, 512, 1024, 2048), (3, 4, 6, 3), bottleneck=True),  # as ResNet-50
}


class PyramidBackbone(nn.Module):
    """Residual stages, each at half the resolution of the one before, and a top-down pyramid.

    Lin et al. 2017. in_channels: of a slab, its image channels times num_slices. fusion: `stack`
    takes the slices as channels of one image. `volume` convolves through them: the stages contract
    the slab's depth to one slice, two at a time, the pyramid is flat and each stage's slices are
    joined on the way into it (Chang et al., AJNR 2018). finest_stride: of the first stage, 1 or 2.
    num_levels: how many levels of the pyramid are made, finest first; all by default.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        size: BackboneSize,
        pyramid_channels: int,
        norm: str,
        fusion: str = "stack",
        num_slices: int = 1,
        finest_stride: int = 2,
        num_levels: int | None = None,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion is {fusion!r}, known: {', '.join(FUSIONS)}")
        if finest_stride not in (1, 2):
            raise ValueError(f"finest_stride is {finest_stride}; want 1 or 2")
        volume = fusion == "volume"
        self.num_slices = num_slices if volume else 0
        depth = num_slices
        plane = 1 if volume else 0
        channels = in_channels // num_slices if volume else in_channels
        self.stem = conv_block(channels, size.stem, norm=norm, depth_taps=plane)
        self.stages, self.lateral = nn.ModuleList(), nn.ModuleList()
        inputs = size.stem
        for place, (width, num) in enumerate(zip(size.widths, size.blocks)):
            taps = min(3, depth) if volume else 0
            depth -= max(taps - 1, 0)
            blocks = [
                ResidualBlock(
                    inputs if first else width,
                    width,
                    norm=norm,
                    stride=(2 if place else finest_stride) if first else 1,
                    bottleneck=size.bottleneck,
                    depth_taps=taps if first else plane,
                )
                for first in (index == 0 for index in range(num))
            ]
            self.stages.append(nn.Sequential(*blocks))
            self.lateral.append(
                nn.Conv3d(width, pyramid_channels, (depth, 1, 1))
                if volume
                else nn.Conv2d(width, pyramid_channels, 1)
            )
            inputs = width
        self.smooth = nn.ModuleList(
            conv_block(pyramid_channels, pyramid_channels, norm=norm)
            for _ in size.widths[:num_levels]
        )
        self.strides = tuple(finest_stride * 2**place for place in range(len(size.widths)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, C, H, W), H and W multiples of the last stride -> finest level first."""
        x = images.unflatten(1, (-1, self.num_slices)) if self.num_slices else images
        x = self.stem(x)
        flat = []
        for stage, lateral in zip(self.stages, self.lateral):
            x = stage(x)
            level = lateral(x)
            flat.append(level.squeeze(2) if self.num_slices else level)
        merged = [flat[-1]]
        for level in flat[-2::-1]:
            merged.append(level + F.interpolate(merged[-1], scale_factor=2.0))
        return [smooth(level) for smooth, level in zip(self.smooth, merged[::-1])]


class DenseHead(nn.Module):
    """A class for every pixel from the pyramid's finest level, its cells split into pixels."""

    def __init__(self, channels: int, classes: PixelClasses, stride: int) -> None:
        super().__init__()
        self.stride, self.classes = stride, classes
        self.classify = nn.Conv2d(channels, stride**2 * classes.num_maps, 1)

    def forward(self, finest: Tensor, shape: tuple[int, int]) -> Tensor:
        """(N, C, h, w) -> logits (N, num_maps, *shape), what was padded cut away."""
        pixels = F.pixel_shuffle(self.classify(finest), self.stride)
        return pixels[..., : shape[0], : shape[1]]


def backbone_size(name: str) -> BackboneSize:
    """`nano`, `small` or `base`. Raises ValueError for another name."""
    if name not in SIZES:
        raise ValueError(f"backbone is {name!r}, known: {', '.join(SIZES)}")
    return SIZES[name]
