"""Crop the whole cells around a box and resize the crop, as a pipeline without pooling would."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lesionseg.ops.roi_table import no_rois, roi_table, weighted_bins


def roi_resize(
    features: Tensor, boxes: Sequence[Tensor], output_size: int, spatial_scale: float
) -> Tensor:
    """Cells floor(x1) to ceil(x2) of each box, resized bilinearly (half-pixel centres).

    features: (N, C, H, W). boxes: one (R_i, 4) xyxy per image, in image pixels. spatial_scale:
    feature cells per image pixel.

    The crop is cut at the map's border and at least one cell wide; beyond its outermost centres the
    edge is repeated.
    Returns (sum R_i, C, output_size, output_size) in the features' dtype.
    """
    levels = torch.zeros(sum(len(b) for b in boxes), dtype=torch.long, device=features.device)
    return pyramid_roi_resize([features], boxes, levels, output_size, [spatial_scale])


def pyramid_roi_resize(
    pyramid: Sequence[Tensor],
    boxes: Sequence[Tensor],
    levels: Tensor,
    output_size: int,
    spatial_scales: Sequence[float],
) -> Tensor:
    """roi_resize where RoI r reads the pyramid level levels[r]; arguments as pyramid_roi_align."""
    if len(levels) == 0:
        return no_rois(pyramid, output_size)
    table = roi_table(pyramid, boxes, levels, spatial_scales)
    columns = _axis_taps(table.boxes[:, 0], table.boxes[:, 2], table.widths, output_size)
    rows = _axis_taps(table.boxes[:, 1], table.boxes[:, 3], table.heights, output_size)
    return weighted_bins(table, *columns, *rows).to(pyramid[0].dtype)


def _axis_taps(low: Tensor, high: Tensor, length: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Two cells and their weights for each bin along one axis: two (R, bins, 2)."""
    limit = length.to(low.dtype)
    first = torch.minimum(low.floor().clamp(min=0), limit - 1)[:, None]
    last = torch.maximum(torch.minimum(high.ceil(), limit)[:, None], first + 1) - 1
    step = (torch.arange(bins, device=low.device, dtype=low.dtype) + 0.5) / bins
    position = first + (last + 1 - first) * step - 0.5
    position = torch.minimum(torch.maximum(position, first), last)
    cell = position.floor()
    fraction = position - cell
    upper = torch.minimum(cell + 1, last)
    cells = torch.stack([cell, upper], dim=-1).long()
    return cells, torch.stack([1 - fraction, fraction], dim=-1)
