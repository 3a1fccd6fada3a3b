"""Greedy suppression against the loop that defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionseg.ops import nms
from lesionseg.ops.nms import BLOCK


def slow_nms(boxes, scores, threshold, groups=None):
    """O(N^2): best first, ties to the smaller index, drop what overlaps a survivor."""
    boxes, scores = boxes.tolist(), scores.tolist()
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes]
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        x1, y1, x2, y2 = boxes[i]
        for k in kept:
            if groups is not None and groups[i] != groups[k]:
                continue
            u1, v1, u2, v2 = boxes[k]
            width, height = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
            shared = width * height if width > 0 and height > 0 else 0.0
            if shared > threshold * (areas[i] + areas[k] - shared):
                break
        else:
            kept.append(i)
    return kept


def random_boxes(num, side, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, side, (num, 2))
    size = rng.uniform(1, 12, (num, 2))
    return torch.tensor(np.hstack([low, low + size]), dtype=torch.float32), rng


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.2, 0.5, 0.7, 1.0])
@pytest.mark.parametrize(("num", "side"), [(0, 30), (1, 30), (2, 3), (90, 25), (400, 60)])
def test_survivors_are_those_of_the_loop(num, side, threshold):
    boxes, rng = random_boxes(num, side, seed=num)
    scores = torch.tensor(rng.random(num), dtype=torch.float32)
    expected = slow_nms(boxes, scores, threshold)
    found = nms(boxes, scores, threshold)
    assert found.dtype == torch.long
    assert found.tolist() == expected
    if num >= 90 and threshold < 0.7:
        assert 0 < len(expected) < num


@pytest.mark.parametrize("side", [30, 150])
def test_many_boxes_with_tied_scores_and_groups(side):
    """Several blocks; scores on twenty steps, so that most of them tie."""
    boxes, rng = random_boxes(2000, side, seed=side)
    assert len(boxes) > 7 * BLOCK
    scores = torch.tensor(rng.integers(0, 20, 2000) / 20, dtype=torch.float32)
    groups = torch.tensor(rng.integers(0, 3, 2000))
    assert nms(boxes, scores, 0.3).tolist() == slow_nms(boxes, scores, 0.3)
    expected = slow_nms(boxes, scores, 0.3, groups.tolist())
    assert nms(boxes, scores, 0.3, groups=groups).tolist() == expected


def test_a_dropped_box_drops_no_other():
    """A over B over C in a row: A drops B, so C, which only B overlaps, stays."""
    boxes = torch.tensor([[0.0, 0.0, 10.0, 4.0], [6.0, 0.0, 16.0, 4.0], [12.0, 0.0, 22.0, 4.0]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.2).tolist() == [0, 2]


def test_a_long_chain_of_neighbours_keeps_every_other_one():
    """The worst case of the rounds within a block: each survivor decides the next."""
    start = torch.arange(600.0)
    boxes = torch.stack(
        [start * 6, torch.zeros(600), start * 6 + 10, torch.full((600,), 4.0)], dim=1
    )
    assert nms(boxes, -start, 0.2).tolist() == list(range(0, 600, 2))


def test_identical_boxes_leave_the_first_of_the_best():
    boxes = torch.tensor([[1.0, 1.0, 4.0, 4.0]]).expand(5, 4)
    scores = torch.tensor([0.1, 0.7, 0.7, 0.3, 0.7])
    assert nms(boxes, scores, 0.5).tolist() == [1]
    assert nms(boxes, scores, 0.5, groups=torch.tensor([0, 0, 1, 1, 1])).tolist() == [1, 2]


def test_an_iou_equal_to_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])  # IoU 1/2, exact in binary
    assert nms(boxes, torch.tensor([1.0, 0.5]), 0.5).tolist() == [0, 1]
    assert nms(boxes, torch.tensor([1.0, 0.5]), 0.49).tolist() == [0]


def test_boxes_without_area_overlap_nothing():
    point = torch.tensor([[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0], [2.0, 2.0, 5.0, 5.0]])
    assert nms(point, torch.tensor([0.9, 0.8, 0.7]), 0.0).tolist() == [0, 1, 2]
