"""Boxes as lesions have them, and how well anchors cover them, counted over an explicit grid."""

from __future__ import annotations

import numpy as np
import torch

from lesionseg.models.mask_rcnn.anchors import level_anchors
from lesionseg.ops import box_iou
from lesionseg.planning.anchor_fit import best_iou

CANVAS = 64  # px; boxes lie in its middle, so that no anchor is missing around them


def rng(seed=0):
    return np.random.default_rng(seed)


def slow_best_iou(sides, levels, finest_stride, corners):
    """Of every anchor that stands on the canvas."""
    low = torch.from_numpy(corners)
    boxes = torch.cat([low, low + torch.from_numpy(sides)], dim=1).float()
    best = torch.zeros(len(boxes))
    for place, level in enumerate(levels):
        stride = finest_stride * 2**place
        if level:
            grid = level_anchors(level, stride, (CANVAS // stride, CANVAS // stride))
            best = torch.maximum(best, box_iou(boxes, grid).amax(dim=1))
    return best.numpy()


def middle_corners(num, seed=1, whole=False):
    """Any place within a pixel, or on whole pixels, as the corners of masks are."""
    corners = rng(seed).uniform(16, 32, (num, 2))
    return np.floor(corners) if whole else corners


def lognormal_sides(num=3000):
    """Mostly 2 to 15 px, few of them far from square."""
    size, ratio = rng().lognormal(np.log(5), 0.6, num), rng(1).lognormal(0, 0.25, num)
    return np.maximum(np.rint(np.stack([size * ratio, size / ratio], axis=1)), 1)


def shares(sides, levels, stride, whole=False):
    """Of boxes at most 4 px wide, and of all, that have an anchor of IoU .5."""
    corners = rng(7).uniform(0, 512, sides.shape)
    good = best_iou(sides, levels, stride, np.floor(corners) if whole else corners) >= 0.5
    return good[sides.max(axis=1) <= 4].mean(), good.mean()
