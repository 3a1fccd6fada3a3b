"""Convolution blocks shared by the networks, in the plane or through the slices of a slab."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


def normalisation(name: str, channels: int, *, volume: bool = False) -> nn.Module:
    """`batch` or `group` normalisation over (N, C, ...), in 8 groups or the most that fit."""
    if name == "batch":
        return nn.BatchNorm3d(channels) if volume else nn.BatchNorm2d(channels)
    if name == "group":
        return nn.GroupNorm(math.gcd(8, channels), channels)
    raise ValueError(f"normalisation is {name!r}, known: batch, group")


def convolution(
    inputs: int, outputs: int, size: int, *, stride: int = 1, depth_taps: int = 0
) -> nn.Module:
    """Same-size convolution in the plane, without bias.

    depth_taps: 0 for (N, C, H, W); else for (N, C, D, H, W), reaching over so many slices and
    losing depth_taps - 1 of them.
    """
    if not depth_taps:
        return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
    return nn.Conv3d(
        inputs,
        outputs,
        (depth_taps, size, size),
        stride=(1, stride, stride),
        padding=(0, size // 2, size // 2),
        bias=False,
    )


def conv_block(
    inputs: int, outputs: int, *, norm: str, size: int = 3, stride: int = 1, depth_taps: int = 0
) -> nn.Sequential:
    """Convolution, normalisation, ReLU."""
    return nn.Sequential(
        convolution(inputs, outputs, size, stride=stride, depth_taps=depth_taps),
        normalisation(norm, outputs, volume=depth_taps > 0),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Convolutions with a shortcut (He et al. 2016): two of 3x3, or a bottleneck of three.

    bottleneck: 1x1 to a quarter of the outputs, 3x3, 1x1 back. depth_taps: as in `convolution`, of
    the one that strides; the shortcut takes the middle slices.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        norm: str,
        stride: int = 1,
        bottleneck: bool = False,
        depth_taps: int = 0,
    ) -> None:
        super().__init__()
        plane = 1 if depth_taps else 0  # taps of the others: each slice by itself
        self.lost = max(depth_taps - 1, 0) // 2  # slices lost at either end
        inner = outputs // 4 if bottleneck else outputs
        before = [conv_block(inputs, inner, norm=norm, size=1, depth_taps=plane)]
        self.main = nn.Sequential(
            *(before if bottleneck else []),
            conv_block(
                inner if bottleneck else inputs,
                inner,
                norm=norm,
                stride=stride,
                depth_taps=depth_taps,
            ),
            convolution(inner, outputs, 1 if bottleneck else 3, depth_taps=plane),
            normalisation(norm, outputs, volume=depth_taps > 0),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                convolution(inputs, outputs, 1, stride=stride, depth_taps=plane),
                normalisation(norm, outputs, volume=depth_taps > 0),
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        middle = x[:, :, self.lost : x.shape[2] - self.lost] if self.lost else x
        return self.activation(self.main(x) + self.shortcut(middle))


def padded(images: Tensor, stride: int) -> Tensor:
    """(N, C, H, W) with its last rows and columns repeated up to multiples of `stride`."""
    bottom, right = -images.shape[2] % stride, -images.shape[3] % stride
    return F.pad(images, (0, right, 0, bottom), mode="replicate") if bottom or right else images
