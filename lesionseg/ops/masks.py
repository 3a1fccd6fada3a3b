"""Masks inside boxes: cut an m x m target out of an image, and put one back, both half-pixel exact.

Cell j of a box's m x m mask stands at x1 + (j + 0.5) / m * (x2 - x1); pixel i of the image stands
at i + 0.5. Both directions interpolate linearly between these centres. Rounding either of them
loses a fifth to a half of the Dice of a 2-4 pixel lesion.
"""

from __future__ import annotations

import numpy as np
import torch
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


def paste_masks(masks: Tensor, boxes: Tensor, shape: tuple[int, int]) -> list[Window]:
    """Inverse of mask_targets, into windows no larger than the boxes.

    masks: (R, m, m) in [0, 1]. boxes: (R, 4) xyxy. shape: (H, W) of the image.

    Returns per box (row slice, column slice, (h, w) float32 array): the pixels whose centre lies in
    the box. A box outside the image, or without a pixel centre, has an empty window.

    >>> whole, box = torch.ones(1, 28, 28), torch.tensor([[1.5, 0.0, 4.5, 2.0]])
    >>> ((rows, columns, values),) = paste_masks(whole, box, (8, 8))
    >>> int(columns.start), int(columns.stop), values.shape
    (1, 4, (2, 3))
    """
    height, width = shape
    size = masks.shape[-1]
    boxes = boxes.float()
    limit = boxes.new_tensor([width, height, width, height])
    # pixel i is inside when x1 <= i + 0.5 < x2
    edges = torch.minimum((boxes - 0.5).ceil().clamp(min=0), limit).long()
    edges[:, 2:] = torch.maximum(edges[:, 2:], edges[:, :2])
    extent = (edges[:, 2:] - edges[:, :2]).amax(dim=1) if len(boxes) else edges.new_zeros(0)
    corners = edges.cpu().numpy()
    windows: list[Window | None] = [None] * len(boxes)
    # windows of like size are computed together, padded to the largest of their group
    group = torch.ceil(torch.log2(extent.clamp(min=1).float())).long().cpu().numpy()
    for exponent in np.unique(group):
        members = np.flatnonzero(group == exponent)
        padded = 2 ** int(exponent)
        chosen = torch.as_tensor(members, device=boxes.device)
        box, start = boxes[chosen], edges[chosen]
        offset = torch.arange(padded, device=boxes.device) + 0.5
        rows = _cell_weights(start[:, 1:2] + offset, box[:, 1:2], box[:, 3:4], size)
        columns = _cell_weights(start[:, 0:1] + offset, box[:, 0:1], box[:, 2:3], size)
        with _exact(boxes):
            values = (rows @ masks[chosen].float() @ columns.transpose(1, 2)).cpu().numpy()
        for r, value in zip(members, values):
            x1, y1, x2, y2 = corners[r]
            windows[r] = (slice(y1, y2), slice(x1, x2), value[: y2 - y1, : x2 - x1])
    return windows  # type: ignore[return-value]


def _cell_weights(position: Tensor, low: Tensor, high: Tensor, size: int) -> Tensor:
    """Linear interpolation weights of image points (R, P) on the mask's cells: (R, P, size).

    Beyond the outermost cell centre the outermost cell is repeated.
    """
    cell: Tensor = places_in_cells(position, low, (high - low).clamp(min=1e-6), size)
    weights: Tensor = linear_weights(cell, _numbers(size, cell))
    return weights
