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

    A pair whose union is empty has IoU 0, not NaN. Raises nothing for N or M of 0.

    >>> box_iou(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4]]))
    tensor([[1.0000, 0.3333]])
    """
    if len(a) > len(b):  # thousands of anchors and a few lesions: the long side lies in memory
        return box_iou(b, a).T
    ax1, ay1, ax2, ay2 = (side[:, None] for side in a.unbind(1))
    bx1, by1, bx2, by2 = (side.contiguous() for side in b.unbind(1))
    width = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp_(min=0)
    height = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp_(min=0)
    intersection = width * height
    union = box_areas(a)[:, None] + box_areas(b) - intersection
    return intersection / union.clamp(min=1e-12)


def box_giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU of boxes in pairs: (N, 4), (N, 4) xyxy -> (N,) in [-1, 1].

    Rezatofighi et al. 2019: IoU less the share of the smallest box around both that neither
    covers, so that boxes without overlap still have a gradient. Two boxes at one point: 0.
    """
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    intersection = (high - low).clamp(min=0).prod(dim=1)
    union = box_areas(a) + box_areas(b) - intersection
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    hull = around.clamp(min=0).prod(dim=1)
    return intersection / union.clamp(min=1e-12) - (hull - union) / hull.clamp(min=1e-12)


def box_nwd(a: Tensor, b: Tensor, constant_px: float) -> Tensor:
    """Normalised Wasserstein distance of every pair: (N, 4), (M, 4) xyxy -> (N, M) in (0, 1].

    Wang et al. 2021, eq. 7 and 8: boxes as Gaussians, exp(-distance / constant_px); 1 for equal
    boxes.
    """
    if len(a) > len(b):  # as in box_iou
        return box_nwd(b, a, constant_px).T
    squared = torch.zeros(len(a), len(b), device=a.device)
    for sign in (1, -1):  # centres, then half sizes
        for axis in (0, 1):
            of_a, of_b = ((c[:, axis + 2] + sign * c[:, axis]) / 2 for c in (a, b))
            squared += (of_a[:, None] - of_b).square()
    return torch.exp(-squared.sqrt() / constant_px)


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
