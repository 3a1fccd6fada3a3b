"""Convolution blocks shared by the networks."""

from __future__ import annotations

from torch import Tensor, nn


def normalisation(name: str, channels: int) -> nn.Module:
    """`batch` or `group` (at most 8 groups) normalisation over (N, C, H, W)."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "group":
        return nn.GroupNorm(min(8, channels), channels)
    raise ValueError(f"normalisation is {name!r}, known: batch, group")


def conv_block(inputs: int, outputs: int, *, norm: str, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        normalisation(norm, outputs),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2016, the basic block)."""

    def __init__(self, inputs: int, outputs: int, *, norm: str, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_block(inputs, outputs, norm=norm, stride=stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), normalisation(norm, outputs)
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                normalisation(norm, outputs),
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.second(self.first(x)) + self.shortcut(x))
