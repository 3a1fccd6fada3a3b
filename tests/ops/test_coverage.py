"""How much of a box a mask covers, against a sum over fine cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionseg.ops.coverage import covered_share

FINE = 16  # cells a pixel


def slow_share(box, mask):
    """Centres of cells of 1/16 px; the box's sides lie on them."""
    x1, y1, x2, y2 = box
    inside = total = 0
    for y in np.arange(y1 + 0.5 / FINE, y2, 1 / FINE):
        for x in np.arange(x1 + 0.5 / FINE, x2, 1 / FINE):
            total += 1
            there = 0 <= x < mask.shape[1] and 0 <= y < mask.shape[0]
            inside += there and bool(mask[int(y), int(x)])
    return inside / total


def test_random_boxes_have_the_share_that_cells_add_up_to():
    rng = np.random.default_rng(0)
    mask = rng.random((9, 12)) > 0.5
    corners = np.round(rng.uniform(-3, 10, (20, 2)) * FINE) / FINE
    sides = np.round(rng.uniform(0.2, 5, (20, 2)) * FINE) / FINE
    boxes = np.concatenate([corners, corners + sides], axis=1)
    found = covered_share(torch.tensor(boxes), torch.from_numpy(mask))
    assert found.tolist() == pytest.approx([slow_share(box, mask) for box in boxes], abs=1e-6)


def test_a_box_without_area_is_not_covered():
    boxes = torch.tensor([[2.0, 2, 2, 5], [3, 3, 1, 1]])
    assert covered_share(boxes, torch.ones(8, 8, dtype=torch.bool)).tolist() == [0, 0]


def test_no_box_has_no_share():
    assert covered_share(torch.zeros(0, 4), torch.ones(4, 4, dtype=torch.bool)).shape == (0,)
