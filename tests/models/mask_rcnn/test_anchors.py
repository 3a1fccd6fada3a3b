"""Anchors against a loop over cells."""

from __future__ import annotations

import numpy as np
import torch

from lesionseg.models.mask_rcnn.anchors import level_anchors, num_per_cell, pyramid_anchors


def slow_anchors(shapes, stride, hw):
    boxes = []
    for row in range(hw[0]):
        for column in range(hw[1]):
            for width, height, density in shapes:
                for i in range(density):
                    for j in range(density):
                        x = column * stride + (j + 0.5) * stride / density
                        y = row * stride + (i + 0.5) * stride / density
                        half = width / 2, height / 2
                        boxes.append([x - half[0], y - half[1], x + half[0], y + half[1]])
    return np.array(boxes)


SHAPES = [(2, 3, 1), (1.5, 1, 2), (4, 4, 4)]


def test_anchors_stand_cell_by_cell_at_their_density():
    found = level_anchors(SHAPES, 4, (3, 5))
    assert len(found) == 15 * num_per_cell(SHAPES) == 15 * 21
    np.testing.assert_allclose(found, slow_anchors(SHAPES, 4, (3, 5)), atol=1e-5)


def test_an_anchor_of_density_one_stands_on_the_cell_centre():
    ((x1, y1, x2, y2),) = level_anchors([(6, 2, 1)], 2, (1, 1)).tolist()
    assert (x1, y1, x2, y2) == (-2, 0, 4, 2)


def test_levels_follow_each_other_from_the_finest():
    levels, strides, shapes = (
        [SHAPES, [(8, 8, 1)], [(20, 9, 2)]],
        [2, 4, 8],
        [(4, 6), (2, 3), (1, 2)],
    )
    found = pyramid_anchors(levels, strides, shapes, torch.device("cpu"))
    parts = [slow_anchors(*level) for level in zip(levels, strides, shapes)]
    np.testing.assert_allclose(found.boxes, np.concatenate(parts), atol=1e-5)
    assert found.level_sizes == tuple(len(part) for part in parts)


def test_each_anchor_knows_its_cell_and_which_of_the_cell_s_it_is():
    levels, strides, shapes = [[(2, 2, 1), (1, 1, 2)], [(8, 8, 1)]], [2, 4], [(1, 2), (1, 1)]
    found = pyramid_anchors(levels, strides, shapes, torch.device("cpu"))
    cells, kinds = found.cells_and_kinds(torch.arange(len(found.boxes)))
    assert cells.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]
    assert kinds.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5]
