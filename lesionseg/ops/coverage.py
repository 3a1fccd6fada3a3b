"""How much of each box a mask covers."""

from __future__ import annotations

import torch
from torch import Tensor


def covered_share(boxes: Tensor, mask: Tensor) -> Tensor:
    """Share of each box's area that lies on the mask: (N,) float32 in [0, 1], 0 for empty boxes.

    boxes: (N, 4) xyxy in pixels, which may reach beyond the mask. mask: (H, W) bool, pixel i covers
    [i, i + 1). Exact: the area under a box is four reads of the mask's integral, between whose
    points it is bilinear.
    """
    height, width = mask.shape
    integral = torch.zeros(height + 1, width + 1, dtype=torch.float64, device=mask.device)
    integral[1:, 1:] = mask.double().cumsum(0).cumsum(1)
    x1, y1, x2, y2 = boxes.double().unbind(1)

    def up_to(x: Tensor, y: Tensor) -> Tensor:
        x, y = x.clamp(0, width), y.clamp(0, height)
        column, row = x.floor().long().clamp(max=width - 1), y.floor().long().clamp(max=height - 1)
        right, below = x - column, y - row
        top = torch.lerp(integral[row, column], integral[row, column + 1], right)
        bottom = torch.lerp(integral[row + 1, column], integral[row + 1, column + 1], right)
        return torch.lerp(top, bottom, below)

    inside = up_to(x2, y2) - up_to(x1, y2) - up_to(x2, y1) + up_to(x1, y1)
    area = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
    return torch.where(area > 0, inside / area.clamp(min=1e-12), 0.0).float()
