"""Reference boxes on the grid of each pyramid level, from 2 pixels up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

AnchorSizes = Sequence[Sequence[float]]


def level_anchors(
    sizes: Sequence[float], ratios: Sequence[float], stride: int, shape: tuple[int, int]
) -> Tensor:
    """Anchors of one level: (H * W * A, 4) xyxy in pixels, row by row, A = sizes x ratios.

    sizes: square roots of the areas, in pixels. ratios: height / width. shape: (H, W) of the level.
    """
    size = torch.tensor(list(sizes), dtype=torch.float32)[:, None]
    root = torch.tensor(list(ratios), dtype=torch.float32).sqrt()[None, :]
    half_width, half_height = (size / root / 2).flatten(), (size * root / 2).flatten()
    corners = torch.stack([-half_width, -half_height, half_width, half_height], dim=1)
    height, width = shape
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) * stride, (torch.arange(width) + 0.5) * stride, indexing="ij"
    )
    centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
    return (centres + corners).reshape(-1, 4)


def pyramid_anchors(
    sizes: AnchorSizes,
    ratios: Sequence[float],
    strides: Sequence[int],
    shapes: Sequence[tuple[int, int]],
) -> Tensor:
    """Anchors of all levels, finest first: (sum H_l * W_l * A_l, 4)."""
    return torch.cat(
        [
            level_anchors(s, ratios, stride, shape)
            for s, stride, shape in zip(sizes, strides, shapes)
        ]
    )
