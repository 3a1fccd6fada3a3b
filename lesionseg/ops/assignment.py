"""Which anchor or proposal is matched to which lesion, and which of them enter the loss."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from lesionseg.ops.boxes import box_iou, box_nwd
from lesionseg.ops.coverage import covered_share

NEGATIVE = -1
IGNORED = -2
MOSTLY = 0.5  # of a box on pixels that nobody judged: it is no negative


def assign_by_iou(
    candidates: Tensor, boxes: Tensor, *, positive: float, negative: float, force_best: bool
) -> Tensor:
    """Match candidates (N, 4) to target boxes (M, 4), both xyxy: (N,) long, target index, -1 or -2.

    positive: from this IoU on a candidate is matched to the target. negative: below this IoU it is
    NEGATIVE (-1); between the two it is IGNORED (-2). force_best: the candidates of highest IoU
    with a target are matched to it however low that IoU is, so that no lesion goes without a
    positive (Faster R-CNN, section 3.1.2).

    Without targets all candidates are NEGATIVE.
    """
    if len(boxes) == 0 or len(candidates) == 0:
        return _all_negative(candidates)
    return _by_overlap(box_iou(candidates, boxes), positive, negative, force_best)


def assign_by_nwd(
    candidates: Tensor,
    boxes: Tensor,
    *,
    constant_px: float,
    positive: float,
    negative: float,
    force_best: bool,
) -> Tensor:
    """As assign_by_iou, by the normalised Wasserstein distance (Wang et al. 2021) in place of IoU.

    constant_px: scales the distance; the mean side of the data's boxes. positive, negative,
    force_best: as there.

    It falls smoothly with distance where the IoU of a 2 px box is 0 already.
    """
    if len(boxes) == 0 or len(candidates) == 0:
        return _all_negative(candidates)
    return _by_overlap(box_nwd(candidates, boxes, constant_px), positive, negative, force_best)


def assign_by_atss(
    candidates: Tensor,
    boxes: Tensor,
    *,
    level_sizes: Sequence[int],
    strides: Sequence[int],
    num_nearest: int,
) -> Tensor:
    """As assign_by_iou, each target with a threshold of its own (Zhang et al. 2020, ATSS).

    candidates: (N, 4) xyxy, those of one pyramid level after another. boxes: (M, 4) xyxy.
    level_sizes: how many candidates each level has. strides: of each level, in pixels. num_nearest:
    how many candidates of each level are considered for a target, the nearest by centre.

    Of those considered, the ones are positive whose IoU reaches the mean plus the standard
    deviation of all considered, and whose centre lies in the target or within half a stride of its
    centre: a 1 px lesion need not hold the centre of any anchor. The best of a target is positive
    in any case. The others are NEGATIVE, none is ignored.
    """
    if len(boxes) == 0 or len(candidates) == 0:
        return _all_negative(candidates)
    overlap = box_iou(candidates, boxes)  # (N, M)
    offset = (candidates[:, None, :2] + candidates[:, None, 2:]) / 2
    offset = (offset - (boxes[:, :2] + boxes[:, 2:]) / 2).abs()  # (N, M, 2)
    distance = offset.square().sum(-1)
    looked_at = torch.zeros_like(overlap, dtype=torch.bool)
    reach = (boxes[:, 2:] - boxes[:, :2]) / 2  # (M, 2)
    near = torch.zeros_like(looked_at)
    start = 0
    for size, stride in zip(level_sizes, strides):
        level = slice(start, start + size)
        nearest = distance[level].topk(min(num_nearest, size), dim=0, largest=False).indices
        looked_at[level].scatter_(0, nearest, True)
        near[level] = (offset[level] <= reach.clamp(min=stride / 2)).all(-1)
        start += size
    num = looked_at.sum(dim=0).clamp(min=1)
    mean = torch.where(looked_at, overlap, 0).sum(dim=0) / num
    spread = torch.where(looked_at, (overlap - mean).square(), 0).sum(dim=0) / (num - 1).clamp(1)
    chosen = looked_at & near & (overlap >= mean + spread.sqrt())
    forced = (overlap == overlap.amax(dim=0)) & (overlap > 0)
    best, target = torch.where(chosen | forced, overlap, -1.0).max(dim=1)
    return torch.where(best >= 0, target, NEGATIVE)


def assign_by_centre(
    candidates: Tensor, boxes: Tensor, *, level_sizes: Sequence[int], strides: Sequence[int]
) -> Tensor:
    """As assign_by_iou, by where the middle of a target lies, for one candidate a cell.

    candidates, boxes, level_sizes, strides: as in assign_by_atss; the candidates of a level are of
    one size. A target belongs to the level whose candidates are nearest to its size (Lin et al.
    2017). There the candidates less than a stride from its middle along both axes are positive:
    four cells away from the border, however small the target is (centre sampling, Tian et al. 2022,
    FCOS). A candidate near several targets is matched to the nearest; a target that others take
    all of its cells from has the nearest one. Others whose centre lies in a target are IGNORED, on
    every level; the rest is NEGATIVE.
    """
    if len(boxes) == 0 or len(candidates) == 0:
        return _all_negative(candidates)
    x, y = ((candidates[:, axis] + candidates[:, axis + 2]) / 2 for axis in (0, 1))  # (N,)
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    # (M, N): thousands of candidates and a few targets, the long side lies in memory
    right, below = (x - middle[:, :1]).abs(), (y - middle[:, 1:]).abs()
    ends = list(itertools.accumulate(level_sizes))
    first = candidates[[end - size for end, size in zip(ends, level_sizes)]]
    of_level = (first[:, 2:] - first[:, :2]).log().mean(dim=1)  # of one candidate of each level
    belongs = (of_level - sides.log().mean(dim=1, keepdim=True)).abs().argmin(dim=1)  # (M,)
    sizes = torch.tensor(level_sizes, device=candidates.device)
    level = torch.arange(len(level_sizes), device=sizes.device).repeat_interleave(sizes)
    stride = torch.tensor(strides, device=candidates.device)[level]
    own = level == belongs[:, None]
    near = own & (torch.maximum(right, below) < stride)
    distance = (right.square() + below.square()).sqrt() / stride
    inside = (right < sides[:, :1] / 2) & (below < sides[:, 1:] / 2)
    matches = torch.where(inside.any(dim=0), IGNORED, NEGATIVE)
    least, nearest = torch.where(near, distance, math.inf).min(dim=0)
    matches = torch.where(least < math.inf, nearest, matches)
    cells = torch.bincount(matches[matches >= 0], minlength=len(boxes)).tolist()
    for target, num in enumerate(cells):
        if num == 0:
            nearest_own = torch.where(own[target], distance[target], math.inf).argmin()
            if (owner := int(matches[nearest_own])) >= 0:
                cells[owner] -= 1
            matches[nearest_own] = target
    return matches


def _by_overlap(overlap: Tensor, positive: float, negative: float, force_best: bool) -> Tensor:
    """overlap: (N, M), larger is nearer, M at least 1."""
    if force_best:
        peak = overlap.amax(dim=0)
        # forced ones rank above all others, so that the best of two targets is matched to the one
        # it overlaps more; a candidate that overlaps nothing is not forced
        forced = overlap == torch.where(peak > 0, peak, math.inf)
        overlap = torch.add(overlap, forced, alpha=2.0)
    best, target = overlap.max(dim=1)
    matches = torch.where(best >= negative, IGNORED, NEGATIVE)
    return torch.where(best >= positive, target, matches)


def _all_negative(candidates: Tensor) -> Tensor:
    return torch.full((len(candidates),), NEGATIVE, dtype=torch.long, device=candidates.device)


def ignore_covered(matches: Tensor, candidates: Tensor, ignored: Tensor) -> Tensor:
    """The same matches, IGNORED in place of NEGATIVE where a candidate lies mostly on what nobody
    judged. candidates: (N, 4) xyxy. ignored: (H, W) bool."""
    if not bool(ignored.any()):
        return matches
    covered = covered_share(candidates, ignored) > MOSTLY
    return torch.where(covered & (matches == NEGATIVE), IGNORED, matches)


def sample_balanced(
    matches: Tensor,
    num: int,
    positive_fraction: float,
    generator: Generator | None,
    *,
    hard_fraction: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Draw candidates for a loss: (P,) and (Q,) long, indices of positives and of negatives.

    matches: (N,) as from assign_by_iou, the best candidates first. num: most that are drawn, P + Q.
    positive_fraction: most of them that are positives; negatives fill the rest. generator: a CPU
    generator; None draws from torch's own state. hard_fraction: share of the negatives that are
    taken from the front (hard-negative mining), because among hundreds of easy candidates a random
    draw seldom meets the few that look like lesions; the others are drawn evenly.
    """
    positives = (matches >= 0).nonzero().squeeze(1)
    negatives = (matches == NEGATIVE).nonzero().squeeze(1)
    num_positive = min(len(positives), int(num * positive_fraction))
    num_negative = min(len(negatives), num - num_positive)
    num_hard = round(num_negative * hard_fraction)
    easy = _draw(negatives[num_hard:], num_negative - num_hard, generator)
    return (
        _draw(positives, num_positive, generator),
        torch.cat([negatives[:num_hard], easy]),
    )


def _draw(indices: Tensor, num: int, generator: Generator | None) -> Tensor:
    if len(indices) <= num:
        return indices
    order = torch.randperm(len(indices), generator=generator)
    return indices[order.to(indices.device)[:num]]
