"""Greedy non-maximum suppression in blocks, so that no N x N matrix is ever held."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 256  # rows resolved at a time; 256 x 20,000 float32 is 20 MiB


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, *, groups: Tensor | None = None
) -> Tensor:
    """Indices (K,) long of the boxes that are kept, best score first.

    boxes: (N, 4) xyxy. scores: (N,); ties go to the smaller index. iou_threshold: a box is dropped
    when its IoU with a better box that is kept exceeds this. groups: (N,) integers; boxes of
    different groups (images, classes) never suppress each other.

    The result is that of the greedy algorithm, exactly; no box gives no index.

    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [1, 0, 5, 4], [8, 8, 9, 9]])
    >>> nms(boxes, torch.tensor([0.5, 0.9, 0.7]), iou_threshold=0.3)
    tensor([1, 2])
    """
    if len(boxes) == 0:
        return torch.zeros(0, dtype=torch.long, device=boxes.device)
    order = torch.sort(scores, descending=True, stable=True).indices
    ranked = boxes[order].float().t().contiguous()  # (4, N): each side of all boxes lies together
    ranked_groups = None if groups is None else groups[order]
    kept = torch.zeros(0, dtype=torch.long, device=boxes.device)
    for start in range(0, len(order), BLOCK):
        block = torch.arange(start, min(start + BLOCK, len(order)), device=boxes.device)
        if len(kept):
            block = block[~_suppresses(ranked, ranked_groups, kept, block, iou_threshold).any(0)]
        kept = torch.cat([kept, block[_greedy(ranked, ranked_groups, block, iou_threshold)]])
    return order[kept]


def _suppresses(
    boxes: Tensor, groups: Tensor | None, better: Tensor, worse: Tensor, threshold: float
) -> Tensor:
    """(B, W) bool: IoU above the threshold and the same group, dividing nothing. boxes: (4, N)."""
    columns, rows = boxes[:, better], boxes[:, worse]
    width = torch.minimum(columns[2][:, None], rows[2]).sub_(
        torch.maximum(columns[0][:, None], rows[0])
    )
    height = torch.minimum(columns[3][:, None], rows[3]).sub_(
        torch.maximum(columns[1][:, None], rows[1])
    )
    intersection = width.clamp_(min=0).mul_(height.clamp_(min=0))
    area_better = (columns[2] - columns[0]).clamp(min=0) * (columns[3] - columns[1]).clamp(min=0)
    area_worse = (rows[2] - rows[0]).clamp(min=0) * (rows[3] - rows[1]).clamp(min=0)
    # i / (a + b - i) > t  <=>  i * (1 + t) > t * (a + b)
    over = intersection.mul_(1 + threshold) > (area_better[:, None] + area_worse).mul_(threshold)
    if groups is not None:
        over &= groups[better][:, None] == groups[worse]
    return over


def _greedy(boxes: Tensor, groups: Tensor | None, block: Tensor, threshold: float) -> Tensor:
    """Survivors (bool) within one block of ranked boxes.

    A box falls when a surviving better one suppresses it. Starting from "all survive" and
    repeating that rule fixes at least one more box for good each time, from the best down,
    so it ends at the greedy answer, usually after two or three rounds.
    """
    over = _suppresses(boxes, groups, block, block, threshold).triu_(1)
    alive = torch.ones(len(block), dtype=torch.bool, device=boxes.device)
    while True:
        updated = ~(over & alive[:, None]).any(0)
        if torch.equal(updated, alive):
            return alive
        alive = updated
