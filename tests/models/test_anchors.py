"""Anchors against a loop over cells, and how well the shipped ones fit small lesions."""

from __future__ import annotations

import math
from importlib import resources

import numpy as np
import torch
import yaml

from lesionseg.models.mask_rcnn.anchors import level_anchors, pyramid_anchors
from lesionseg.ops import box_iou


def slow_anchors(sizes, ratios, stride, shape):
    boxes = []
    for row in range(shape[0]):
        for column in range(shape[1]):
            for size in sizes:
                for ratio in ratios:
                    width, height = size / math.sqrt(ratio), size * math.sqrt(ratio)
                    x, y = (column + 0.5) * stride, (row + 0.5) * stride
                    boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return np.array(boxes)


def test_anchors_stand_on_the_cell_centres_row_by_row():
    found = level_anchors([2, 4.5], [0.5, 1.0, 2.0], 4, (3, 5))
    np.testing.assert_allclose(found, slow_anchors([2, 4.5], [0.5, 1.0, 2.0], 4, (3, 5)), atol=1e-5)


def test_a_ratio_is_height_over_width_at_the_same_area():
    (flat, square, tall) = level_anchors([6], [0.25, 1.0, 4.0], 2, (1, 1)).tolist()
    assert square == [-2, -2, 4, 4]
    assert flat == [-5, -0.5, 7, 2.5]
    assert tall == [-0.5, -5, 2.5, 7]


def test_levels_follow_each_other_from_the_finest():
    sizes, strides, shapes = [[2, 3], [8], [20]], [2, 4, 8], [(4, 6), (2, 3), (1, 2)]
    found = pyramid_anchors(sizes, [1.0], strides, shapes)
    parts = [slow_anchors(s, [1.0], n, hw) for s, n, hw in zip(sizes, strides, shapes)]
    np.testing.assert_allclose(found, np.concatenate(parts), atol=1e-5)


def test_the_shipped_anchors_fit_boxes_of_two_to_ten_pixels_wherever_they_stand():
    """Mean IoU of the best anchor over sub-pixel places; 32 px anchors reach .02 at 4 px."""
    text = resources.files("lesionseg.conf").joinpath("network/maskrcnn.yaml").read_text()
    settings = yaml.safe_load(text)
    finest = level_anchors(settings["anchor_sizes"][0], settings["anchor_ratios"], 2, (20, 20))
    rng = np.random.default_rng(0)
    for side, wanted in ((2, 0.4), (3, 0.5), (4, 0.55), (6, 0.6), (8, 0.65), (10, 0.7)):
        low = rng.uniform(12, 18, (300, 2))
        boxes = torch.tensor(np.hstack([low, low + side]), dtype=torch.float32)
        assert box_iou(boxes, finest).amax(dim=1).mean() > wanted
