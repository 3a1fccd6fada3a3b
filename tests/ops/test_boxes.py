"""Box arithmetic against loops over pixels and pairs, and what it does with nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lesionseg.ops import (
    box_giou,
    box_iou,
    box_nwd,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    masks_to_boxes,
)
from lesionseg.ops.boxes import MAX_LOG_SCALE, box_areas, pad_boxes


def random_boxes(num, side=40.0, largest=15.0, seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-5, side, (num, 2))
    size = rng.uniform(0.2, largest, (num, 2))
    return torch.tensor(np.hstack([low, low + size]), dtype=dtype)


def slow_iou(a, b):
    """One pair of xyxy boxes, in python floats."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [max(0.0, c[2] - c[0]) * max(0.0, c[3] - c[1]) for c in (a, b)]
    union = sum(areas) - width * height
    return width * height / union if union > 0 else 0.0


def test_iou_is_that_of_a_loop_over_pairs():
    a, b = random_boxes(40, seed=1), random_boxes(25, seed=2)
    expected = [[slow_iou(p, q) for q in b.tolist()] for p in a.tolist()]
    assert np.count_nonzero(expected) > 50
    np.testing.assert_allclose(box_iou(a, b).numpy(), expected, atol=1e-6)


def test_iou_of_boxes_on_the_pixel_grid_is_that_of_their_pixels():
    rng = np.random.default_rng(3)
    low = rng.integers(0, 10, (12, 2))
    boxes = np.hstack([low, low + rng.integers(1, 8, (12, 2))])
    painted = np.zeros((12, 20, 20), bool)
    for image, (x1, y1, x2, y2) in zip(painted, boxes):
        image[y1:y2, x1:x2] = True
    expected = [[(p & q).sum() / (p | q).sum() for q in painted] for p in painted]
    found = box_iou(torch.tensor(boxes).float(), torch.tensor(boxes).float())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([2, 2, 6, 6], 1.0),
        ([6, 2, 9, 6], 0.0),  # shares an edge only
        ([3, 3, 3, 5], 0.0),  # without width
        ([5, 5, 3, 3], 0.0),  # inverted
        ([3, 3, 7, 7], 9 / 23),  # one pixel off, diagonally: .39 as DESIGN has it
        ([-100, -100, 100, 100], 16 / 40000),
    ],
)
def test_iou_with_a_4_px_box(other, expected):
    box = torch.tensor([[2.0, 2.0, 6.0, 6.0]])
    other = torch.tensor([other], dtype=torch.float32)
    assert float(box_iou(box, other)) == pytest.approx(expected, abs=1e-6)


def test_two_boxes_without_area_have_iou_zero_not_nan():
    point = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert float(box_iou(point, point)) == 0.0


@pytest.mark.parametrize(("num_a", "num_b"), [(0, 0), (0, 3), (3, 0)])
def test_no_boxes(num_a, num_b):
    assert box_iou(random_boxes(num_a), random_boxes(num_b)).shape == (num_a, num_b)
    assert box_areas(random_boxes(0)).shape == (0,)
    assert clip_boxes(random_boxes(0), (5, 6)).shape == (0, 4)
    assert encode_boxes(random_boxes(0), random_boxes(0), (1.0, 1.0)).shape == (0, 4)
    assert decode_boxes(random_boxes(0), random_boxes(0), (1.0, 1.0)).shape == (0, 4)


def test_clipped_coordinates_end_at_the_image_edges():
    boxes = torch.tensor([[-3.0, -2.5, 4.5, 99.0], [1.5, 2.0, 3.0, 4.0], [50.0, 50.0, 60.0, 60.0]])
    expected = [[0, 0, 4.5, 10], [1.5, 2, 3, 4], [20, 10, 20, 10]]
    assert clip_boxes(boxes, (10, 20)).tolist() == expected


def test_padding_moves_each_side_outwards():
    assert pad_boxes(torch.tensor([[1.0, 2.0, 3.0, 5.0]]), 1.5).tolist() == [[-0.5, 0.5, 4.5, 6.5]]


def test_codes_are_those_of_the_paper():
    """Ren et al. 2015, eq. 2, written out for one box; weights multiply."""
    anchor, box = (10.0, 20.0, 14.0, 28.0), (11.0, 21.0, 17.0, 25.0)
    expected = [
        3 * (14 - 12) / 4,
        3 * (23 - 24) / 8,
        5 * math.log(6 / 4),
        5 * math.log(4 / 8),
    ]
    found = encode_boxes(torch.tensor([box]), torch.tensor([anchor]), (3.0, 5.0))
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (5.0, 5.0), (10.0, 5.0)])
def test_decoding_undoes_encoding_to_a_thousandth_of_a_pixel(weights):
    boxes, anchors = random_boxes(300, seed=5), random_boxes(300, seed=6)
    codes = encode_boxes(boxes, anchors, weights)
    keep = codes[:, 2:].amax(dim=1) / weights[1] < MAX_LOG_SCALE
    assert keep.sum() > 250
    back = decode_boxes(codes, anchors, weights)
    np.testing.assert_allclose(back[keep].numpy(), boxes[keep].numpy(), atol=1e-3)


def test_boxes_and_anchors_without_area_have_finite_codes():
    point, box = torch.tensor([[4.0, 4.0, 4.0, 4.0]]), torch.tensor([[2.0, 2.0, 5.0, 5.0]])
    for a, b in ((point, box), (box, point), (point, point)):
        code = encode_boxes(a, b, (1.0, 1.0))
        assert torch.isfinite(code).all()
        assert torch.isfinite(decode_boxes(code, b, (1.0, 1.0))).all()


def test_a_wild_code_cannot_make_a_box_infinite():
    anchor = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    wild = decode_boxes(torch.tensor([[0.0, 0.0, 1e4, 1e4]]), anchor, (1.0, 1.0))
    np.testing.assert_allclose((wild[:, 2:] - wild[:, :2]).numpy(), [[64, 64]], rtol=1e-5)


def test_tight_boxes_of_masks_are_those_of_a_loop_over_pixels():
    rng = np.random.default_rng(8)
    masks = rng.random((20, 9, 13)) < 0.04
    masks[0] = False
    masks[1] = True
    expected = np.zeros((20, 4))
    for i, mask in enumerate(masks):
        places = [(r, c) for r in range(9) for c in range(13) if mask[r, c]]
        if places:
            rows, columns = zip(*places)
            expected[i] = min(columns), min(rows), max(columns) + 1, max(rows) + 1
    assert (expected[:, 2] > expected[:, 0]).sum() > 10
    found = masks_to_boxes(torch.tensor(masks))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected)


def test_tight_boxes_of_no_masks():
    assert masks_to_boxes(torch.zeros(0, 9, 13, dtype=torch.bool)).shape == (0, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 4, 4], [0, 0, 4, 4], 1.0),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0.0),  # side by side they fill the box around both
        ([0, 0, 2, 2], [4, 0, 6, 2], -1 / 3),  # a third of it is covered by neither
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7 - 2 / 9),
        ([3, 3, 3, 3], [3, 3, 3, 3], 0.0),  # both a point
    ],
)
def test_giou_by_hand(a, b, expected):
    found = box_giou(torch.tensor([a]).float(), torch.tensor([b]).float())
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_giou_pulls_a_box_that_misses_towards_its_lesion():
    box = torch.tensor([[20.0, 0, 22, 2]], requires_grad=True)
    box_giou(box, torch.tensor([[0.0, 0, 2, 2]])).sum().backward()
    assert box.grad[0, 0] < 0  # a smaller x is better


def test_nwd_is_that_of_a_loop_over_pairs():
    """Wang et al. 2021: the distance of (x, y, w / 2, h / 2), over a constant, as exp(-d)."""
    a, b = random_boxes(30, seed=8), random_boxes(9, seed=9)

    def gaussian(c):
        return (c[0] + c[2]) / 2, (c[1] + c[3]) / 2, (c[2] - c[0]) / 2, (c[3] - c[1]) / 2

    expected = [
        [math.exp(-math.dist(gaussian(p), gaussian(q)) / 5.0) for q in b.tolist()]
        for p in a.tolist()
    ]
    np.testing.assert_allclose(box_nwd(a, b, 5.0), expected, atol=1e-6)
    np.testing.assert_allclose(box_nwd(b, a, 5.0), np.transpose(expected), atol=1e-6)
