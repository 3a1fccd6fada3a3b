"""Masks inside boxes: cut an m x m target out of an image, and put one back, both half-pixel exact.

Cell j of a box's m x m mask stands at x1 + (j + 0.5) / m * (x2 - x1); pixel i of the image stands
at i + 0.5. Both directions interpolate linearly between these centres. Rounding either of them
loses a fifth to a half of the Dice of a 2-4 pixel lesion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesionseg.half_pixel import cell_places, linear_weights, places_in_cells


def mask_targets(masks: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Sample each mask inside its box: (R, H, W) in [0, 1], (R, 4) xyxy -> (R, size, size).

    masks: (R, H, W) in [0, 1]. boxes: (R, 4) xyxy, one for each mask. size: cells along each side
    of a box. Returns values in [0, 1] in the boxes' dtype; outside the image is background.

    >>> left = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])  # the left half of a 2 x 2 image
    >>> mask_targets(left, torch.tensor([[0.0, 0.0, 2.0, 2.0]]), 2)
    tensor([[[1., 0.],
             [1., 0.]]])
    """
    _, height, width = masks.shape
    cells = _numbers(size, boxes)
    x = cell_places(cells, boxes[:, 0:1], boxes[:, 2:3], size)
    y = cell_places(cells, boxes[:, 1:2], boxes[:, 3:4], size)
    with _exact(boxes):
        return _hats(y, height) @ masks.to(boxes.dtype) @ _hats(x, width).transpose(1, 2)


def _exact(like: Tensor) -> torch.autocast:
    """Within, products keep their dtype: half precision would round the places of small lesions."""
    return torch.autocast(like.device.type, enabled=False)


def _hats(position: Tensor, length: int) -> Tensor:
    """Linear interpolation weights of points (R, P) on pixel centres: (R, P, length)."""
    weights: Tensor = linear_weights(position, _numbers(length, position) + 0.5)
    return weights


def _numbers(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device, dtype=like.dtype)


def ellipse_mask(size: int) -> Tensor:
    """The ellipse inside a box as its mask: (size, size) in [0, 1], falling off over one cell."""
    place = (torch.arange(size) + 0.5) / size * 2 - 1
    radius = torch.sqrt(place[:, None] ** 2 + place[None, :] ** 2)
    return (0.5 + (1 - radius) * size / 2).clamp(0, 1)


Window = tuple[slice, slice, np.ndarray]


class Pasted(NamedTuple):
    """The pixels of boxes' masks, one box after another, of each row by row.

    box: (P,) int64 which of the boxes. pixel: (P,) int64 row * W + column. value: (P,) float32 in
    [0, 1]. rows, columns: (R, 2) int64 where the window of each box starts and ends.
    """

    box: NDArray[np.int64]
    pixel: NDArray[np.int64]
    value: NDArray[np.float32]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


def paste_pixels(masks: Tensor, boxes: Tensor, shape: tuple[int, int]) -> Pasted:
    """Inverse of mask_targets: every pixel whose centre lies in a box, and its mask there.

    masks: (R, m, m) in [0, 1]. boxes: (R, 4) xyxy. shape: (H, W) of the image. Computed on the CPU;
    beyond the outermost cell centre of a mask the outermost cell is repeated.
    """
    cells = masks.detach().float().cpu().numpy()
    box = boxes.detach().float().cpu().numpy()
    box = np.where(np.isfinite(box).all(axis=1, keepdims=True), box, 0)  # an empty window
    columns, rows = (_inside(box[:, axis], box[:, axis + 2], shape[1 - axis]) for axis in (0, 1))
    width = columns[:, 1] - columns[:, 0]
    counts = (rows[:, 1] - rows[:, 0]) * width
    which = np.repeat(np.arange(len(box)), counts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(place, width[which])
    row, column = row + rows[which, 0], column + columns[which, 0]
    above, below = _cells_around(row, box[which, 1], box[which, 3], cells.shape[-1])
    left, right = _cells_around(column, box[which, 0], box[which, 2], cells.shape[-1])
    value = np.zeros(len(which), np.float32)
    for cell_y, weight_y in (above, below):
        for cell_x, weight_x in (left, right):
            value += weight_y * weight_x * cells[which, cell_y, cell_x]
    return Pasted(which, row * shape[1] + column, value, rows, columns)


def _inside(low: NDArray[np.float32], high: NDArray[np.float32], length: int) -> NDArray[np.int64]:
    """First and last pixel, the last excluded, whose centre lies in [low, high): (R, 2)."""
    ends = np.ceil(np.stack([low, high], axis=1) - np.float32(0.5)).clip(0, length)
    return np.maximum(ends, ends[:, :1]).astype(np.int64)


Cells = tuple[NDArray[np.int64], NDArray[np.float32]]


def _cells_around(
    pixel: NDArray[np.int64], low: NDArray[np.float32], high: NDArray[np.float32], size: int
) -> tuple[Cells, Cells]:
    """The two cells of a mask around each pixel's centre, and the weight of each."""
    centre = pixel.astype(np.float32) + np.float32(0.5)
    place = places_in_cells(centre, low, (high - low).clip(1e-6), size)
    first = place.astype(np.int64)
    share = (place - first).astype(np.float32)
    return (first, 1 - share), (np.minimum(first + 1, size - 1), share)


def paste_masks(masks: Tensor, boxes: Tensor, shape: tuple[int, int]) -> list[Window]:
    """The masks of `paste_pixels` as windows no larger than the boxes.

    Returns per box (row slice, column slice, (h, w) float32 array): the pixels whose centre lies in
    the box. A box outside the image, or without a pixel centre, has an empty window.

    >>> whole, box = torch.ones(1, 28, 28), torch.tensor([[1.5, 0.0, 4.5, 2.0]])
    >>> ((rows, columns, values),) = paste_masks(whole, box, (8, 8))
    >>> int(columns.start), int(columns.stop), values.shape
    (1, 4, (2, 3))
    """
    pasted = paste_pixels(masks, boxes, shape)
    sides = zip(pasted.rows.tolist(), pasted.columns.tolist())
    windows: list[Window] = []
    start = 0
    for (top, bottom), (left, right) in sides:
        area = (bottom - top) * (right - left)
        value = pasted.value[start : start + area].reshape(bottom - top, right - left)
        windows.append((slice(top, bottom), slice(left, right), value))
        start += area
    return windows
