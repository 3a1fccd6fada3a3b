"""RoIPool (Girshick 2015, section 2.1): whole cells, the largest of each bin.

Rounding a box to cells, and each bin again, moves what a mask head sees by up to a cell: on a
3 px lesion a good part of the lesion. Here to be compared with RoIAlign.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lesionseg.ops.roi_table import RoITable, no_rois, roi_table

ELEMENTS_AT_ONCE = 2**24  # of the windows searched for their largest: bounds the memory


def roi_pool(
    features: Tensor, boxes: Sequence[Tensor], output_size: int, spatial_scale: float
) -> Tensor:
    """Largest value of each of output_size x output_size bins of each box rounded to cells.

    features: (N, C, H, W). boxes: one (R_i, 4) xyxy per image, in image pixels. spatial_scale:
    feature cells per image pixel.

    A box reaches from cell round(x1) to round(x2), both included, bin i of n from floor(i w / n) to
    ceil((i + 1) w / n), so that bins may overlap. What is outside the map is left out, an empty bin
    is zero.
    Returns (sum R_i, C, output_size, output_size) in the features' dtype.
    """
    levels = torch.zeros(sum(len(b) for b in boxes), dtype=torch.long, device=features.device)
    return pyramid_roi_pool([features], boxes, levels, output_size, [spatial_scale])


def pyramid_roi_pool(
    pyramid: Sequence[Tensor],
    boxes: Sequence[Tensor],
    levels: Tensor,
    output_size: int,
    spatial_scales: Sequence[float],
) -> Tensor:
    """roi_pool where RoI r reads the pyramid level levels[r]; arguments as pyramid_roi_align."""
    if len(levels) == 0:
        return no_rois(pyramid, output_size)
    table = roi_table(pyramid, boxes, levels, spatial_scales)
    channels = table.rows.shape[1]
    with torch.no_grad():
        index, empty = _largest(table, output_size)
    # gathered by index, so that the gradient goes to one cell and no window is kept in memory
    values = table.rows.reshape(-1)[index * channels + torch.arange(channels, device=index.device)]
    values = torch.where(empty[..., None], 0.0, values)
    return values.permute(0, 3, 1, 2).to(pyramid[0].dtype)


def _largest(table: RoITable, bins: int) -> tuple[Tensor, Tensor]:
    """Table row of the largest cell of each bin and channel (R, bins, bins, C); empty (R, b, b)."""
    x1, x2 = _bin_edges(table.boxes[:, 0], table.boxes[:, 2], table.widths, bins)
    y1, y2 = _bin_edges(table.boxes[:, 1], table.boxes[:, 3], table.heights, bins)
    width = max(int((x2 - x1).amax()), 1)
    height = max(int((y2 - y1).amax()), 1)
    per_roi = bins * bins * width * height * table.rows.shape[1]
    found, empty = [], []
    for chunk in torch.arange(len(x1), device=x1.device).split(max(1, ELEMENTS_AT_ONCE // per_roi)):
        x, inside_x = _cells(x1[chunk], x2[chunk], width)  # (r, bins, width)
        y, inside_y = _cells(y1[chunk], y2[chunk], height)
        rows = y[:, :, None, :, None] * table.widths[chunk].view(-1, 1, 1, 1, 1)
        rows = table.start[chunk].view(-1, 1, 1, 1, 1) + rows + x[:, None, :, None, :]
        inside = inside_y[:, :, None, :, None] & inside_x[:, None, :, None, :]
        rows, inside = rows.flatten(3), inside.flatten(3)  # (r, bins, bins, window)
        values = table.rows[torch.where(inside, rows, 0)]
        values = values.masked_fill(~inside[..., None], -torch.inf)
        nan = values.isnan().any(-2, keepdim=True)  # argmax would hide it
        place = torch.where(nan, values.isnan().float(), values).argmax(dim=-2)
        none = ~inside.any(-1)
        row = rows.gather(-1, place)
        found.append(torch.where(none[..., None], 0, row))
        empty.append(none)
    return torch.cat(found), torch.cat(empty)


def _bin_edges(low: Tensor, high: Tensor, length: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """First and one-past-last cell of every bin along one axis: two (R, bins), inside the map."""
    # half goes up, as everywhere but in IEEE rounding
    first, last = (low + 0.5).floor(), (high + 0.5).floor()
    size = (last - first + 1).clamp(min=1) / bins
    step = torch.arange(bins, device=low.device, dtype=low.dtype)
    start = first[:, None] + (step * size[:, None]).floor()
    stop = first[:, None] + ((step + 1) * size[:, None]).ceil()
    limit = length[:, None].to(low.dtype)
    return tuple(torch.minimum(edge.clamp(min=0), limit).long() for edge in (start, stop))  # type: ignore[return-value]


def _cells(start: Tensor, stop: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cells start, start + 1, ... of each bin, and which of them lie in it: (R, bins, width)."""
    cells = start[..., None] + torch.arange(width, device=start.device)
    return cells, cells < stop[..., None]
