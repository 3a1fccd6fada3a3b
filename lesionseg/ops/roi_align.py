"""RoIAlign (He et al. 2017, section 3) for one feature map or a whole pyramid in one gather.

Every bin of every RoI is a weighted sum of a few feature vectors, so the operation is an embedding
bag: the feature maps are the table, the four corners of the bin's samples are the indices, the
bilinear weights are the weights. One fused call serves all images and levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def roi_align(
    features: Tensor,
    boxes: Sequence[Tensor],
    output_size: int,
    spatial_scale: float,
    sampling_ratio: int = 2,
    aligned: bool = True,
) -> Tensor:
    """Pool each box to a fixed grid by bilinear sampling, without rounding anything.

    features: (N, C, H, W). boxes: one (R_i, 4) xyxy per image, in image pixels. spatial_scale:
    feature cells per image pixel. sampling_ratio: samples per bin and axis, at least 1. aligned:
    shift by half a cell so that cell centres, not corners, stand at integers; without it, boxes
    are at least one cell wide and high, as ever (detectron2).
    Samples outside [-1, H] x [-1, W] are zero, samples on the border are clamped to it.
    Returns (sum R_i, C, output_size, output_size) in the features' dtype.
    """
    levels = torch.zeros(sum(len(b) for b in boxes), dtype=torch.long, device=features.device)
    return pyramid_roi_align(
        [features], boxes, levels, output_size, [spatial_scale], sampling_ratio, aligned
    )


def pyramid_roi_align(
    pyramid: Sequence[Tensor],
    boxes: Sequence[Tensor],
    levels: Tensor,
    output_size: int,
    spatial_scales: Sequence[float],
    sampling_ratio: int = 2,
    aligned: bool = True,
) -> Tensor:
    """roi_align where RoI r reads the pyramid level levels[r]; arguments as there.

    pyramid: per level (N, C, H_l, W_l). levels: (sum R_i,) integers, RoIs in the order of `boxes`.
    """
    if sampling_ratio < 1:
        raise ValueError(f"sampling_ratio is {sampling_ratio}, must be at least 1")
    first = pyramid[0]
    channels, device = first.shape[1], first.device
    rois = torch.cat(list(boxes)).to(torch.promote_types(first.dtype, torch.float32))
    image = torch.repeat_interleave(
        torch.arange(len(boxes), device=device),
        torch.tensor([len(b) for b in boxes], device=device),
        output_size=len(rois),
    )
    if len(rois) == 0:
        return first.new_zeros(0, channels, output_size, output_size) + 0 * first.sum()
    table = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, channels) for level in pyramid])
    heights = torch.tensor([level.shape[2] for level in pyramid], device=device)[levels]
    widths = torch.tensor([level.shape[3] for level in pyramid], device=device)[levels]
    cells = [level.shape[0] * level.shape[2] * level.shape[3] for level in pyramid]
    starts = torch.tensor([sum(cells[:i]) for i in range(len(cells))], device=device)[levels]
    scale = rois.new_tensor(list(spatial_scales))[levels, None]

    low, high = (rois * scale - (0.5 if aligned else 0.0)).split(2, dim=1)
    if not aligned:
        high = torch.maximum(high, low + 1)
    x_cells, x_weights = _axis_taps(low[:, 0], high[:, 0], widths, output_size, sampling_ratio)
    y_cells, y_weights = _axis_taps(low[:, 1], high[:, 1], heights, output_size, sampling_ratio)

    taps = 2 * sampling_ratio  # along one axis: two neighbours for each sample of a bin
    y_cells = y_cells.view(-1, output_size, 1, taps, 1) * widths.view(-1, 1, 1, 1, 1)
    offset = (starts + image * heights * widths).view(-1, 1, 1, 1, 1)
    index = offset + y_cells + x_cells.view(-1, 1, output_size, 1, taps)
    weight = y_weights.view(-1, output_size, 1, taps, 1) * x_weights.view(
        -1, 1, output_size, 1, taps
    )
    bins = len(rois) * output_size * output_size
    pooled = _weighted_sums(
        table.to(weight.dtype),
        index.reshape(bins, taps * taps),
        weight.reshape(bins, taps * taps),
    )
    return pooled.view(-1, output_size, output_size, channels).permute(0, 3, 1, 2).to(first.dtype)


def _weighted_sums(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """For each row of index (B, T): the rows of table (N, C) it names, weighted, summed: (B, C)."""
    if table.device.type == "mps":  # has no backward of embedding_bag
        return (table[index] * weight[..., None]).sum(dim=1)
    return F.embedding_bag(index, table, per_sample_weights=weight, mode="sum")


def _axis_taps(
    low: Tensor, high: Tensor, length: Tensor, bins: int, sampling_ratio: int
) -> tuple[Tensor, Tensor]:
    """Cells and weights along one axis: (R,) ends, (R,) lengths -> two (R, bins * ratio, 2).

    The weights already hold the mean over the samples of a bin.
    """
    samples = bins * sampling_ratio
    step = (torch.arange(samples, device=low.device, dtype=low.dtype) + 0.5) / samples
    position = low[:, None] + (high - low)[:, None] * step
    last = (length - 1)[:, None]
    inside = (position >= -1) & (position <= length[:, None])
    position = torch.minimum(position.clamp(min=0), last.to(position.dtype))
    cell = position.floor()
    fraction = position - cell
    cells = torch.stack([cell.long(), torch.minimum(cell.long() + 1, last)], dim=-1)
    weights = torch.stack([1 - fraction, fraction], dim=-1) * inside[..., None] / sampling_ratio
    return cells, weights
