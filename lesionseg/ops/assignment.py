"""Which anchor or proposal answers for which lesion, and which of them enter the loss."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lesionseg.ops.boxes import box_iou

NEGATIVE = -1
IGNORED = -2


def assign_by_iou(
    candidates: Tensor, boxes: Tensor, *, positive: float, negative: float, force_best: bool
) -> Tensor:
    """Match candidates (N, 4) to target boxes (M, 4): (N,) long, target index, -1 or -2.

    IoU at or above `positive`: that target. Below `negative`: NEGATIVE. Between: IGNORED.
    force_best: the candidates of highest IoU with a target answer for it whatever that IoU is, so
    that no lesion goes without a positive (Faster R-CNN, section 3.1.2). No targets: all NEGATIVE.
    """
    matches = torch.full((len(candidates),), NEGATIVE, dtype=torch.long, device=candidates.device)
    if len(boxes) == 0 or len(candidates) == 0:
        return matches
    overlap = box_iou(candidates, boxes)
    best, target = overlap.max(dim=1)
    matches[best >= negative] = IGNORED
    matches = torch.where(best >= positive, target, matches)
    if force_best:
        forced = overlap == overlap.amax(dim=0)
        # the best of two targets answers for the one it overlaps more
        best, target = torch.where(forced, overlap, 0).max(dim=1)
        matches = torch.where(best > 0, target, matches)
    return matches


def sample_balanced(
    matches: Tensor, num: int, positive_fraction: float, generator: Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw at most `num` candidates: indices of positives and of negatives.

    Positives are at most num * positive_fraction; negatives fill the rest.
    """
    positives = (matches >= 0).nonzero().squeeze(1)
    negatives = (matches == NEGATIVE).nonzero().squeeze(1)
    num_positive = min(len(positives), int(num * positive_fraction))
    num_negative = min(len(negatives), num - num_positive)
    return (
        _draw(positives, num_positive, generator),
        _draw(negatives, num_negative, generator),
    )


def _draw(indices: Tensor, num: int, generator: Generator | None) -> Tensor:
    if len(indices) <= num:
        return indices
    order = torch.randperm(len(indices), generator=generator)
    return indices[order.to(indices.device)[:num]]
