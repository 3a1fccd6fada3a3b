"""One candidate a cell, matched by where a lesion's middle lies, against a loop."""

from __future__ import annotations

import math

import numpy as np
import torch

from lesionseg.ops.assignment import IGNORED, NEGATIVE, assign_by_centre

STRIDES = (2, 4)
SIDES = (6.0, 12.0)  # of the one anchor of each cell


def cells(size=16):
    """One anchor a cell of two levels over a size x size image, and how many each level has."""
    boxes, numbers = [], []
    for stride, side in zip(STRIDES, SIDES):
        places = [(i + 0.5) * stride for i in range(size // stride)]
        boxes += [
            [x - side / 2, y - side / 2, x + side / 2, y + side / 2] for y in places for x in places
        ]
        numbers.append(len(places) ** 2)
    return torch.tensor(boxes), numbers


def by_centre_slowly(candidates, boxes, numbers):
    """One cell and one lesion at a time; then the nearest cell for a lesion that has none."""
    found, level, last, seen = [], 0, numbers[0], {}
    for i, (x1, y1, x2, y2) in enumerate(candidates.tolist()):
        if i == last:
            level += 1
            last += numbers[level]
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        best, match = math.inf, NEGATIVE
        for place, (left, top, right, bottom) in enumerate(boxes.tolist()):
            dx, dy = abs(x - (left + right) / 2), abs(y - (top + bottom) / 2)
            away = math.hypot(dx, dy) / STRIDES[level]
            side = math.sqrt((right - left) * (bottom - top))
            own = 0 if abs(math.log(side / 6)) <= abs(math.log(side / 12)) else 1
            if level == own:
                seen.setdefault(place, []).append((away, i))
            if level == own and max(dx, dy) < STRIDES[level] and away < best:
                best, match = away, place
            elif match == NEGATIVE and left < x < right and top < y < bottom:
                match = IGNORED
        found.append(match)
    for place in range(len(boxes)):
        if place not in found:
            found[min(seen[place])[1]] = place
    return found


def test_by_centre_is_the_slow_rule():
    candidates, numbers = cells()
    rng = np.random.default_rng(4)
    for _ in range(30):
        low = rng.uniform(0, 12, (4, 2))
        boxes = np.concatenate([low, low + rng.uniform(0.7, 12, (4, 2))], axis=1)
        boxes = torch.tensor(boxes, dtype=torch.float32)
        found = assign_by_centre(candidates, boxes, level_sizes=numbers, strides=STRIDES)
        assert found.tolist() == by_centre_slowly(candidates, boxes, numbers)


def test_a_lesion_of_one_pixel_has_four_cells_whatever_its_place():
    candidates, numbers = cells()
    for place in (4.3, 5.5, 6.7):
        lesion = torch.tensor([[place, place, place + 1, place + 1]])
        found = assign_by_centre(candidates, lesion, level_sizes=numbers, strides=STRIDES)
        assert (found == 0).sum() == 4
        assert set(found[: numbers[0]].tolist()) == {0, NEGATIVE}


def test_a_lesion_inside_another_of_the_same_middle_has_a_cell_of_its_own():
    candidates, numbers = cells()
    nested = torch.tensor([[6.0, 6, 14, 14], [7.0, 7, 13, 13]])
    found = assign_by_centre(candidates, nested, level_sizes=numbers, strides=STRIDES)
    assert (found == 0).sum() >= 1
    assert (found == 1).sum() >= 1


def test_without_lesions_every_cell_is_negative():
    candidates, numbers = cells()
    found = assign_by_centre(candidates, torch.zeros(0, 4), level_sizes=numbers, strides=STRIDES)
    assert set(found.tolist()) == {NEGATIVE}
