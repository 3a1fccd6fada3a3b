"""Box arithmetic: overlap, clipping, and the (dx, dy, dw, dh) code of R-CNN with its inverse."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# One pixel of change for a 2 px box is already log(1.5): let sizes grow by at most this factor.
MAX_LOG_SCALE = math.log(16.0)


def box_areas(boxes: Tensor) -> Tensor:
    """(N, 4) xyxy -> (N,) areas in px^2; inverted boxes count as empty."""
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every pair: (N, 4), (M, 4) xyxy -> (N, M) in [0, 1].

    A pair whose union is empty has IoU 0, not NaN.
    """
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    width, height = (high - low).clamp_(min=0).unbind(-1)
    intersection = width * height
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - intersection
    return torch.where(union > 0, intersection / union.clamp(min=1e-12), torch.zeros_like(union))


def clip_boxes(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Clip (N, 4) xyxy to an image of shape (H, W): coordinates end in [0, W] and [0, H]."""
    height, width = shape
    limit = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limit)


def _centres_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
    return (boxes[:, :2] + boxes[:, 2:]) / 2, sizes


def encode_boxes(boxes: Tensor, anchors: Tensor, weights: tuple[float, float]) -> Tensor:
    """Code `boxes` relative to `anchors`, both (N, 4) xyxy -> (N, 4) (dx, dy, dw, dh).

    Ren et al. 2015, eq. 2, each pair times its weight (centre, size). Inverse: decode_boxes.
    """
    centre, size = _centres_and_sizes(boxes)
    anchor_centre, anchor_size = _centres_and_sizes(anchors)
    shift = weights[0] * (centre - anchor_centre) / anchor_size
    scale = weights[1] * torch.log(size / anchor_size)
    return torch.cat([shift, scale], dim=1)


def decode_boxes(codes: Tensor, anchors: Tensor, weights: tuple[float, float]) -> Tensor:
    """Inverse of encode_boxes: (N, 4) codes and (N, 4) anchors -> (N, 4) xyxy, never rounded."""
    anchor_centre, anchor_size = _centres_and_sizes(anchors)
    centre = codes[:, :2] / weights[0] * anchor_size + anchor_centre
    size = anchor_size * torch.exp((codes[:, 2:] / weights[1]).clamp(max=MAX_LOG_SCALE))
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


def pad_boxes(boxes: Tensor, margin: float) -> Tensor:
    """Grow each side of (N, 4) xyxy boxes outwards by `margin` pixels."""
    return boxes + boxes.new_tensor([-margin, -margin, margin, margin])


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Tight boxes of (N, H, W) boolean masks -> (N, 4) float32 xyxy; an empty mask gives zeros."""
    rows, columns = masks.any(dim=2), masks.any(dim=1)
    height, width = rows.shape[1], columns.shape[1]

    def extent(occupied: Tensor, length: int) -> tuple[Tensor, Tensor]:
        index = torch.arange(length, device=masks.device, dtype=torch.float32)
        first = torch.where(occupied, index, torch.full_like(index, math.inf)).amin(dim=1)
        last = torch.where(occupied, index + 1, torch.full_like(index, -math.inf)).amax(dim=1)
        return first, last

    if len(masks) == 0:
        return torch.zeros(0, 4, device=masks.device)
    y1, y2 = extent(rows, height)
    x1, x2 = extent(columns, width)
    boxes = torch.stack([x1, y1, x2, y2], dim=1)
    return torch.where(torch.isfinite(boxes), boxes, torch.zeros_like(boxes))
