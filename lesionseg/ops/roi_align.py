"""RoIAlign (He et al. 2017, section 3): bilinear samples, nothing rounded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lesionseg.ops.roi_table import no_rois, roi_table, weighted_bins


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
    feature cells per image pixel. sampling_ratio: samples per bin and axis. aligned: shift by half
    a cell so that cell centres, not corners, stand at integers; without it boxes are at least one
    cell wide and high, as in detectron2.

    Samples outside [-1, H] x [-1, W] are zero, samples on the border are clamped to it.
    Returns (sum R_i, C, output_size, output_size) in the features' dtype.

    Raises ValueError for a sampling_ratio below 1.

    >>> slope = torch.arange(8.0).repeat(8, 1)[None, None]  # (1, 1, 8, 8): the value is x - 0.5
    >>> roi_align(slope, [torch.tensor([[2.5, 3.0, 4.5, 5.0]])], 1, spatial_scale=1.0).item()
    3.0
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
    if len(levels) == 0:
        return no_rois(pyramid, output_size)
    table = roi_table(pyramid, boxes, levels, spatial_scales)
    low, high = (table.boxes - (0.5 if aligned else 0.0)).split(2, dim=1)
    if not aligned:
        high = torch.maximum(high, low + 1)
    columns = _axis_taps(low[:, 0], high[:, 0], table.widths, output_size, sampling_ratio)
    rows = _axis_taps(low[:, 1], high[:, 1], table.heights, output_size, sampling_ratio)
    return weighted_bins(table, *columns, *rows).to(pyramid[0].dtype)


def _axis_taps(
    low: Tensor, high: Tensor, length: Tensor, bins: int, sampling_ratio: int
) -> tuple[Tensor, Tensor]:
    """Cells and weights along one axis: (R,) ends, (R,) lengths -> two (R, bins, 2 * ratio).

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
    return cells.view(len(low), bins, -1), weights.view(len(low), bins, -1)
