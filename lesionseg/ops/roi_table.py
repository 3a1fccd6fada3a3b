"""A whole feature pyramid as one table of feature vectors, and where each RoI stands in it.

The three ways to read a RoI (align, pool, resize) differ only in which rows of the table they take
and how they weigh them, so one gather serves all images and levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class RoITable(NamedTuple):
    """rows: (T, C) float, the cells of level 0 image by image and row by row, then level 1, ...

    boxes: (R, 4) xyxy in cells of each RoI's own level. start: (R,) row of its level and image.
    heights, widths: (R,) cells of its level.
    """

    rows: Tensor
    boxes: Tensor
    start: Tensor
    heights: Tensor
    widths: Tensor


def roi_table(
    pyramid: Sequence[Tensor],
    boxes: Sequence[Tensor],
    levels: Tensor,
    spatial_scales: Sequence[float],
) -> RoITable:
    """pyramid: per level (N, C, H_l, W_l). boxes: one (R_i, 4) xyxy per image, in image pixels.

    levels: (sum R_i,) integers, RoIs in the order of `boxes`. spatial_scales: cells per image
    pixel, by level. The table is float32, or float64 where the features are.
    """
    first = pyramid[0]
    channels, device = first.shape[1], first.device
    dtype = torch.promote_types(first.dtype, torch.float32)
    rois = torch.cat(list(boxes)).to(dtype)
    image = torch.repeat_interleave(
        torch.arange(len(boxes), device=device),
        torch.tensor([len(b) for b in boxes], device=device),
        output_size=len(rois),
    )
    heights = torch.tensor([level.shape[2] for level in pyramid], device=device)[levels]
    widths = torch.tensor([level.shape[3] for level in pyramid], device=device)[levels]
    cells = [level.shape[0] * level.shape[2] * level.shape[3] for level in pyramid]
    starts = torch.tensor([sum(cells[:i]) for i in range(len(cells))], device=device)[levels]
    rows = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, channels) for level in pyramid])
    scale = rois.new_tensor(list(spatial_scales))[levels, None]
    start = starts + image * heights * widths
    return RoITable(rows.to(dtype), rois * scale, start, heights, widths)


def weighted_bins(
    table: RoITable, x_cells: Tensor, x_weights: Tensor, y_cells: Tensor, y_weights: Tensor
) -> Tensor:
    """Each bin as the weighted sum of the cells at its row taps x column taps.

    cells, weights: (R, bins, taps) of one axis. Returns (R, C, bins, bins). A bin is an embedding
    bag: the table's rows by index, times weights, summed, without their product in memory.
    """
    num, bins, taps = x_cells.shape
    y_rows = y_cells.view(num, bins, 1, taps, 1) * table.widths.view(-1, 1, 1, 1, 1)
    x_rows = x_cells.view(num, 1, bins, 1, taps)
    index = (table.start.view(-1, 1, 1, 1, 1) + y_rows + x_rows).reshape(-1, taps * taps)
    weight = y_weights.view(num, bins, 1, taps, 1) * x_weights.view(num, 1, bins, 1, taps)
    weight = weight.reshape(-1, taps * taps)
    if table.rows.device.type == "mps":  # has no backward of embedding_bag
        pooled = (table.rows[index] * weight[..., None]).sum(dim=1)
    else:
        pooled = F.embedding_bag(index, table.rows, per_sample_weights=weight, mode="sum")
    return pooled.view(num, bins, bins, -1).permute(0, 3, 1, 2)


def no_rois(pyramid: Sequence[Tensor], output_size: int) -> Tensor:
    """What reading no RoI gives: (0, C, bins, bins), still part of the features' graph."""
    first = pyramid[0]
    return first.new_zeros(0, first.shape[1], output_size, output_size) + 0 * first.sum()
