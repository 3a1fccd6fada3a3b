"""Quantised pooling and crop-and-resize against slow loops; what they do with little or nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lesionseg.ops import pyramid_roi_pool, pyramid_roi_resize, roi_pool, roi_resize


def half_up(value):
    return math.floor(value + 0.5)


def slow_roi_pool(features, boxes, bins, scale):
    """Girshick 2015: corners to cells, both included; bins from floor to ceil; largest, or 0."""
    maps = features.numpy()
    height, width = maps.shape[2:]
    out = []
    for image, rois in enumerate(boxes):
        for x1, y1, x2, y2 in rois.tolist():
            left, top, right, bottom = (half_up(np.float32(c) * scale) for c in (x1, y1, x2, y2))
            w, h = max(right - left + 1, 1), max(bottom - top + 1, 1)
            pooled = np.zeros((maps.shape[1], bins, bins))
            for i in range(bins):
                for j in range(bins):
                    rows = range(
                        max(top + math.floor(i * h / bins), 0),
                        min(top + math.ceil((i + 1) * h / bins), height),
                    )
                    columns = range(
                        max(left + math.floor(j * w / bins), 0),
                        min(left + math.ceil((j + 1) * w / bins), width),
                    )
                    values = [maps[image, :, r, c] for r in rows for c in columns]
                    if values:
                        pooled[:, i, j] = np.max(values, axis=0)
            out.append(pooled)
    return np.stack(out)


def slow_roi_resize(features, boxes, bins, scale):
    """The crop cut out by slicing, then resized by the library's own bilinear resize."""
    height, width = features.shape[2:]
    out = []
    for image, rois in enumerate(boxes):
        for x1, y1, x2, y2 in rois.tolist():
            left = min(max(math.floor(x1 * scale), 0), width - 1)
            top = min(max(math.floor(y1 * scale), 0), height - 1)
            right = max(min(math.ceil(x2 * scale), width), left + 1)
            bottom = max(min(math.ceil(y2 * scale), height), top + 1)
            crop = features[image : image + 1, :, top:bottom, left:right]
            out.append(F.interpolate(crop, (bins, bins), mode="bilinear", align_corners=False)[0])
    return torch.stack(out).numpy()


def some_boxes(num, height, width, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-6, max(height, width), (num, 2))
    boxes = np.hstack([low, low + rng.uniform(0.1, 12, (num, 2))]).round(2)
    boxes[0] = -30, -30, -20, -25
    boxes[1] = 3.25, 4.25, 3.25, 4.25
    boxes[2] = -5, -5, width + 5, height + 5
    return torch.tensor(boxes, dtype=torch.float32)


OPERATIONS = {
    "pool": (roi_pool, slow_roi_pool, pyramid_roi_pool),
    "resize": (roi_resize, slow_roi_resize, pyramid_roi_resize),
}
each = pytest.mark.parametrize("name", OPERATIONS)


@each
@pytest.mark.parametrize(("bins", "scale"), [(1, 1.0), (3, 0.5), (7, 0.25), (4, 1.0)])
def test_values_are_those_of_the_loop(name, bins, scale):
    operation, slow, _ = OPERATIONS[name]
    features = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 9, 13))).float()
    boxes = [some_boxes(n, 9 / scale, 13 / scale, n) for n in (6, 4)]
    expected = slow(features, boxes, bins, scale)
    assert np.count_nonzero(expected) > 15
    np.testing.assert_allclose(operation(features, boxes, bins, scale), expected, atol=1e-5)


@each
def test_each_roi_reads_its_own_image_and_level(name):
    _, slow, on_pyramid = OPERATIONS[name]
    rng = np.random.default_rng(1)
    pyramid = [torch.tensor(rng.normal(size=(2, 3, 16 // s, 24 // s))).float() for s in (1, 2, 4)]
    boxes = [some_boxes(n, 16, 24, n) for n in (5, 7)]
    levels = torch.tensor(rng.integers(0, 3, 12))
    found = on_pyramid(pyramid, boxes, levels, 3, [1.0, 0.5, 0.25])
    owners = [(image, roi) for image, rois in enumerate(boxes) for roi in rois]
    for row, (image, roi), level in zip(found, owners, levels.tolist()):
        expected = slow(pyramid[level][image : image + 1], [roi[None]], 3, 0.5**level)
        np.testing.assert_allclose(row, expected[0], atol=1e-5)


@each
def test_gradients_reach_the_features_that_were_read(name):
    operation, _, _ = OPERATIONS[name]
    features = torch.randn(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    boxes = [torch.tensor([[1.2, 0.7, 5.6, 4.9], [-3.0, -2.0, 2.0, 9.0]], dtype=torch.float64)]
    assert torch.autograd.gradcheck(lambda f: operation(f, boxes, 3, 1.0), (features,))


@each
def test_no_rois_give_an_empty_answer_that_still_trains(name):
    operation, _, _ = OPERATIONS[name]
    features = torch.randn(2, 3, 5, 5, requires_grad=True)
    found = operation(features, [torch.zeros(0, 4), torch.zeros(0, 4)], 4, 0.5)
    assert found.shape == (0, 3, 4, 4)
    found.sum().backward()
    assert features.grad is not None
    assert not features.grad.any()


@each
def test_half_precision_features_come_back_as_they_were(name):
    operation, slow, _ = OPERATIONS[name]
    features = torch.randn(1, 2, 8, 8).bfloat16()
    boxes = [some_boxes(5, 8, 8, 3)]
    found = operation(features, boxes, 3, 1.0)
    assert found.dtype == torch.bfloat16
    expected = slow(features.float(), boxes, 3, 1.0)
    np.testing.assert_allclose(found.float(), expected, atol=0.02)


@each
def test_a_nan_is_seen_by_the_rois_that_read_it_and_by_no_other(name):
    operation, _, _ = OPERATIONS[name]
    features = torch.zeros(1, 1, 8, 8)
    features[0, 0, 1, 1] = torch.nan
    boxes = [torch.tensor([[0.0, 0.0, 3.0, 3.0], [5.0, 5.0, 7.0, 7.0]])]
    found = operation(features, boxes, 2, 1.0)
    assert found[0].isnan().any()
    assert not found[1].isnan().any()
