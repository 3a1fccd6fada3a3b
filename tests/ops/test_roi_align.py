"""RoIAlign against a slow loop written from its definition, on several levels and images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lesionseg.ops import pyramid_roi_align, roi_align


def bilinear(plane, y, x):
    """One sample of a plane (detectron2, ROIAlign): 0 beyond [-1, H], else clamped."""
    height, width = len(plane), len(plane[0])
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    return (
        (1 - v) * (1 - u) * plane[top][left]
        + (1 - v) * u * plane[top][right]
        + v * (1 - u) * plane[bottom][left]
        + v * u * plane[bottom][right]
    )


def slow_roi_align(features, boxes, size, scale, ratio, aligned):
    """He et al. 2017, section 3: the mean of ratio x ratio bilinear samples in every bin."""
    planes = features.double().tolist()
    out = []
    for image, rois in enumerate(boxes):
        for roi in rois.double().tolist():
            x1, y1, x2, y2 = (c * scale - (0.5 if aligned else 0.0) for c in roi)
            width, height = x2 - x1, y2 - y1
            if not aligned:
                width, height = max(width, 1.0), max(height, 1.0)
            pooled = np.zeros((len(planes[image]), size, size))
            for c, plane in enumerate(planes[image]):
                for i in range(size):
                    for j in range(size):
                        samples = [
                            bilinear(
                                plane,
                                y1 + (i + (a + 0.5) / ratio) * height / size,
                                x1 + (j + (b + 0.5) / ratio) * width / size,
                            )
                            for a in range(ratio)
                            for b in range(ratio)
                        ]
                        pooled[c, i, j] = sum(samples) / len(samples)
            out.append(pooled)
    return np.stack(out)


def random_rois(num, height, width, seed):
    """Small and large, inside, over the border, far outside, and without area."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(-6, max(height, width), (num, 2))
    boxes = np.hstack([low, low + rng.uniform(0.1, 12, (num, 2))])
    boxes[0] = -30, -30, -20, -25
    boxes[1] = 3.3, 4.4, 3.3, 4.4
    boxes[2] = -5, -5, width + 5, height + 5
    return torch.tensor(boxes, dtype=torch.float32)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(
    ("size", "ratio", "scale"), [(1, 1, 1.0), (3, 2, 0.5), (7, 1, 0.25), (4, 3, 1.0)]
)
def test_pooled_values_are_those_of_the_loop(size, ratio, scale, aligned):
    features = torch.tensor(np.random.default_rng(0).normal(size=(2, 2, 9, 13))).float()
    boxes = [random_rois(n, 9 / scale, 13 / scale, n) for n in (6, 4)]
    expected = slow_roi_align(features, boxes, size, scale, ratio, aligned)
    assert np.count_nonzero(expected) > 5
    found = roi_align(features, boxes, size, scale, ratio, aligned)
    assert found.shape == (10, 2, size, size)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_each_roi_reads_its_own_image_and_level():
    rng = np.random.default_rng(1)
    pyramid = [torch.tensor(rng.normal(size=(2, 3, 16 // s, 24 // s))).float() for s in (1, 2, 4)]
    boxes = [random_rois(n, 16, 24, n) for n in (5, 7)]
    levels = torch.tensor(rng.integers(0, 3, 12))
    assert len(levels.unique()) == 3
    found = pyramid_roi_align(pyramid, boxes, levels, 3, [1.0, 0.5, 0.25], 2)
    expected = []
    for r, (image, roi) in enumerate([(i, roi) for i, rois in enumerate(boxes) for roi in rois]):
        level = int(levels[r])
        plane = pyramid[level][image : image + 1]
        expected.append(slow_roi_align(plane, [roi[None]], 3, 0.5**level, 2, True)[0])
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-5)


def test_aligned_bins_of_one_pixel_are_the_pixels_themselves():
    """Pixel i covers [i, i + 1): a box of 3 x 2 pixels in 1 px bins gives them back, unblurred."""
    features = torch.arange(48.0).view(1, 1, 6, 8)
    found = roi_align(features, [torch.tensor([[2.0, 1.0, 5.0, 4.0]])], 3, 1.0, 1)
    np.testing.assert_array_equal(found[0, 0].numpy(), features[0, 0, 1:4, 2:5].numpy())


def test_a_linear_ramp_is_read_at_the_bin_centres():
    """On f(x, y) = 2x - y linear sampling is exact, so each bin holds f at its centre."""
    y, x = torch.meshgrid(torch.arange(20.0) + 0.5, torch.arange(30.0) + 0.5, indexing="ij")
    box = torch.tensor([[4.3, 5.1, 17.9, 12.2]])
    found = roi_align((2 * x - y)[None, None], [box], 5, 1.0, 2)[0, 0]
    centre = (torch.arange(5) + 0.5) / 5
    expected = 2 * (4.3 + centre * 13.6)[None, :] - (5.1 + centre * 7.1)[:, None]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)


def test_pooled_values_are_those_of_grid_sample_inside_the_map():
    features = torch.tensor(np.random.default_rng(4).normal(size=(1, 4, 20, 25))).float()
    box = torch.tensor([[3.2, 2.7, 21.4, 15.9]])
    x1, y1, x2, y2 = box[0].tolist()
    at = (np.arange(6) + 0.5) / 6
    grid = np.stack(np.meshgrid(x1 + at * (x2 - x1), y1 + at * (y2 - y1)), -1) / [25, 20] * 2 - 1
    expected = F.grid_sample(features, torch.tensor(grid[None]).float(), align_corners=False)
    np.testing.assert_allclose(roi_align(features, [box], 6, 1.0, 1), expected, atol=1e-5)


@pytest.mark.parametrize("num_images", [1, 3])
def test_no_rois_give_no_bins_and_a_gradient_of_zeros(num_images):
    features = torch.ones(num_images, 5, 4, 4, requires_grad=True)
    found = roi_align(features, [torch.zeros(0, 4)] * num_images, 7, 0.5)
    assert found.shape == (0, 5, 7, 7)
    found.sum().backward()
    assert features.grad is not None
    assert not features.grad.any()


def test_an_image_without_rois_among_others():
    features = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    box = torch.tensor([[1.0, 1.0, 3.0, 3.0]])
    found = roi_align(features, [box, torch.zeros(0, 4), box.repeat(2, 1)], 1, 1.0)
    assert found.flatten().tolist() == [0, 2, 2]


def test_gradients_with_respect_to_features_and_boxes():
    """By finite differences in float64, with boxes over every border that share pixels."""
    features = torch.tensor(np.random.default_rng(2).normal(size=(2, 2, 5, 6)), requires_grad=True)
    boxes = [
        torch.tensor([[-1.3, -1.1, 2.4, 3.3], [3.1, 2.2, 8.3, 7.4], [0.7, 0.6, 4.9, 4.2]]).double(),
        torch.tensor([[1.15, 1.35, 1.85, 1.75]]).double(),
    ]
    for rois in boxes:
        rois.requires_grad_(True)

    def pool(maps, first, second):
        return roi_align(maps, [first, second], 2, 0.9, 2)

    assert torch.autograd.gradcheck(pool, (features, *boxes), atol=1e-6)


def test_half_precision_in_half_precision_out_and_summed_in_full():
    features = torch.tensor(np.random.default_rng(3).normal(size=(1, 3, 9, 9))).to(torch.bfloat16)
    boxes = [random_rois(5, 9, 9, 5)]
    found = roi_align(features, boxes, 3, 1.0)
    assert found.dtype == torch.bfloat16
    exact = torch.tensor(slow_roi_align(features.float(), boxes, 3, 1.0, 2, True))
    np.testing.assert_array_equal(found.float(), exact.float().to(torch.bfloat16).float())


def test_a_bin_without_samples_is_refused():
    with pytest.raises(ValueError, match="sampling_ratio is 0"):
        roi_align(torch.ones(1, 1, 4, 4), [torch.ones(1, 4)], 2, 1.0, 0)
