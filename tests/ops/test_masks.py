"""Masks in boxes, there and back: the round trip that a 2 px lesion must survive."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionseg.ops import mask_targets, paste_masks


def disc(diameter, shape=(30, 36), middle=(14.2, 16.7)):
    rows, columns = np.indices(shape) + 0.5
    return (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 <= (diameter / 2) ** 2


def tight_box(mask):
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def interpolate(image, y, x):
    """Linear interpolation between pixel centres i + 0.5; outside the image stands background."""
    total = 0.0
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            weight = max(0, 1 - abs(y - row - 0.5)) * max(0, 1 - abs(x - column - 0.5))
            total += weight * image[row, column]
    return total


def slow_targets(mask, box, size):
    x1, y1, x2, y2 = box
    at = [(j + 0.5) / size for j in range(size)]
    return np.array(
        [[interpolate(mask, y1 + v * (y2 - y1), x1 + u * (x2 - x1)) for u in at] for v in at]
    )


def slow_paste(mask, box, shape):
    """(H, W): the mask's cells interpolated at pixel centres in the box, the outermost repeated."""
    x1, y1, x2, y2 = box
    size = len(mask)
    out = np.full(shape, np.nan)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y, x = row + 0.5, column + 0.5
            if y1 <= y < y2 and x1 <= x < x2:
                v = min(max((y - y1) / (y2 - y1) * size, 0.5), size - 0.5)
                u = min(max((x - x1) / (x2 - x1) * size, 0.5), size - 0.5)
                out[row, column] = interpolate(mask, v, u)
    return out


def painted(window, shape):
    rows, columns, values = window
    out = np.full(shape, np.nan)
    out[rows, columns] = values
    return out


BOXES = [
    [3.0, 2.0, 7.0, 6.0],
    [2.4, 1.3, 8.1, 6.9],
    [-3.2, -1.1, 4.4, 5.0],
    [9.7, 6.2, 19.0, 14.0],
    [5.2, 5.1, 6.1, 5.9],
    [-4.0, -4.0, 30.0, 30.0],
]


@pytest.mark.parametrize("size", [1, 5, 14])
def test_targets_are_those_of_the_loop(size):
    masks = np.random.default_rng(0).random((len(BOXES), 11, 13)).astype(np.float32)
    expected = np.stack([slow_targets(m, b, size) for m, b in zip(masks, BOXES)])
    found = mask_targets(torch.tensor(masks), torch.tensor(BOXES), size)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("size", [1, 5, 14])
def test_pasted_windows_are_those_of_the_loop(size):
    masks = np.random.default_rng(1).random((len(BOXES), size, size)).astype(np.float32)
    found = paste_masks(torch.tensor(masks), torch.tensor(BOXES), (11, 13))
    assert len(found) == len(BOXES)
    for mask, box, window in zip(masks, BOXES, found):
        assert window[2].dtype == np.float32
        expected = slow_paste(mask, box, (11, 13))
        assert np.isfinite(expected).any()
        np.testing.assert_allclose(painted(window, (11, 13)), expected, atol=1e-5)


@pytest.mark.parametrize("diameter", [2, 3, 4, 6, 8, 10])
def test_a_lesion_survives_the_round_trip_through_a_box_half_a_pixel_off(diameter):
    """Sides off by up to half a pixel, then grown by one, m = 14: Dice 1.000, every time."""
    rng = np.random.default_rng(diameter)
    for _ in range(40):
        mask = disc(diameter, middle=rng.uniform(12, 18, 2))
        assert mask.any()
        box = np.array(tight_box(mask)) + rng.uniform(-0.5, 0.5, 4) + [-1, -1, 1, 1]
        boxes = torch.tensor(box[None], dtype=torch.float32)
        target = mask_targets(torch.tensor(mask[None]).float(), boxes, 14)
        rows, columns, values = paste_masks(target, boxes, mask.shape)[0]
        back = np.zeros(mask.shape, bool)
        back[rows, columns] = values >= 0.5
        np.testing.assert_array_equal(back, mask)


@pytest.mark.parametrize("shape", ["cross", "ring", "single pixel", "diagonal"])
def test_other_small_shapes_survive_it_too(shape):
    mask = np.zeros((20, 20), bool)
    if shape == "cross":
        mask[8:13, 10] = mask[10, 8:13] = True
    elif shape == "ring":
        mask[7:12, 7:12] = True
        mask[9, 9] = False
    elif shape == "single pixel":
        mask[9, 9] = True
    else:
        mask[range(6, 10), range(6, 10)] = True
    boxes = torch.tensor([tight_box(mask)]).float() + torch.tensor([-1.2, -0.9, 1.3, 0.8])
    target = mask_targets(torch.tensor(mask[None]), boxes, 14)
    rows, columns, values = paste_masks(target, boxes, mask.shape)[0]
    back = np.zeros(mask.shape, bool)
    back[rows, columns] = values >= 0.5
    np.testing.assert_array_equal(back, mask)


def test_windows_hold_the_pixels_whose_centre_lies_in_the_box_and_no_more():
    rng = np.random.default_rng(5)
    low = rng.uniform(-10, 45, (300, 2))
    boxes = np.hstack([low, low + rng.uniform(0, 25, (300, 2))]).astype(np.float32)
    found = paste_masks(torch.rand(300, 3, 3), torch.tensor(boxes), (30, 40))
    centres = np.arange(40) + 0.5
    empty = 0
    for (x1, y1, x2, y2), (rows, columns, values) in zip(boxes, found):
        inside_rows = [i for i in range(30) if y1 <= centres[i] < y2]
        inside_columns = [i for i in range(40) if x1 <= centres[i] < x2]
        assert list(range(30))[rows] == inside_rows
        assert list(range(40))[columns] == inside_columns
        assert values.shape == (len(inside_rows), len(inside_columns))
        empty += values.size == 0
    assert 20 < empty < 280


@pytest.mark.parametrize(
    "box",
    [
        [-9.0, -9.0, -2.0, -2.0],
        [50.0, 3.0, 60.0, 8.0],
        [3.0, 50.0, 8.0, 60.0],
        [4.6, 4.6, 5.4, 5.4],  # between the pixel centres
        [4.0, 4.0, 4.0, 9.0],
        [9.0, 9.0, 3.0, 3.0],  # inverted
        [9.0, 3.0, 3.0, 14.0],
    ],
)
def test_a_box_outside_or_without_a_pixel_centre_has_an_empty_window(box):
    rows, columns, values = paste_masks(torch.ones(1, 4, 4), torch.tensor([box]), (20, 20))[0]
    assert values.size == 0
    assert np.zeros((20, 20))[rows, columns].shape == values.shape


def test_no_masks():
    assert paste_masks(torch.zeros(0, 14, 14), torch.zeros(0, 4), (9, 9)) == []
    assert mask_targets(torch.zeros(0, 9, 9), torch.zeros(0, 4), 14).shape == (0, 14, 14)


def test_boxes_in_double_precision_are_pasted_alike():
    masks, boxes = torch.rand(len(BOXES), 6, 6), torch.tensor(BOXES)
    single = paste_masks(masks, boxes, (11, 13))
    for one, other in zip(single, paste_masks(masks, boxes.double(), (11, 13))):
        assert one[:2] == other[:2]
        np.testing.assert_allclose(one[2], other[2], atol=1e-5)


def test_targets_of_a_box_without_area_are_finite():
    point = torch.tensor([[4.5, 4.5, 4.5, 4.5]])
    assert mask_targets(torch.ones(1, 9, 9), point, 4).eq(1).all()


def test_under_half_precision_the_round_trip_is_as_exact():
    rng = np.random.default_rng(0)
    shifts = rng.uniform(0, 1, (6, 2))
    discs = torch.tensor(np.stack([disc(3, middle=(14 + y, 16 + x)) for y, x in shifts]))
    boxes = torch.tensor([tight_box(d) for d in discs.numpy()]) + torch.tensor([-1.3, -1, 1.2, 1])
    targets = mask_targets(discs.float(), boxes, 28)
    windows = paste_masks(targets, boxes, (30, 36))
    with torch.autocast("cpu", torch.bfloat16):
        coarse = mask_targets(discs.float(), boxes, 28)
        pasted = paste_masks(targets, boxes, (30, 36))
    assert coarse.dtype == torch.float32
    np.testing.assert_array_equal(coarse, targets)
    for (_, _, found), (_, _, wanted) in zip(pasted, windows, strict=True):
        np.testing.assert_array_equal(found, wanted)
