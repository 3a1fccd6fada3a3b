"""The best that perfect boxes and masks could reach, and where the rest is lost to rounding.

No network: a disc is cut into the m x m cells that a perfect mask head would answer, pasted back,
and compared with itself. A Dice below 1 is lost by the coding or by the way the RoI is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.models.mask_rcnn.roi_pooler import ROI_OPS
from lesionseg.ops.boxes import masks_to_boxes, pad_boxes
from lesionseg.ops.masks import mask_targets, paste_masks
from lesionseg.ops.roi_align import roi_align

DIAMETERS_PX = (2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
CODINGS = ("stock", "exact")
CANVAS = 64
STRIDE = 2  # of the level that the RoIs read: cells to which boxes are rounded
JITTER_PX = 0.5  # by which each side of a box may be off, so that a box is right to a pixel


def ceiling(
    diameter_px: float, *, roi_op: str, coding: str, cells: int, num: int, seed: int = 0
) -> float:
    """Mean Dice of `num` discs at random places, each with a mask of cells x cells.

    roi_op: `align` reads the box itself; `pool` the box rounded to cells of STRIDE px, `resize`
    the cells around it, and the mask of what was read is drawn into the box. coding: `exact`, half
    pixels kept and the box grown by a margin, as the mask head here is trained; `stock`, as
    detection libraries do: no half-pixel shift when cutting, whole pixels when pasting.
    """
    if roi_op not in ROI_OPS or coding not in CODINGS:
        raise ValueError(f"roi_op {roi_op!r}, coding {coding!r}; want {list(ROI_OPS)}, {CODINGS}")
    rng = np.random.default_rng(seed)
    discs = torch.from_numpy(draw_discs(diameter_px, num, rng))
    boxes = masks_to_boxes(discs)
    offset = torch.from_numpy(rng.uniform(-JITTER_PX, JITTER_PX, boxes.shape)).float()
    boxes = pad_boxes(boxes + offset, MASK_MARGIN_PX if coding == "exact" else 0.0)
    read = _rounded(boxes, roi_op)
    if coding == "exact":
        answers = mask_targets(discs.float(), read, cells)
        windows = paste_masks(answers, boxes, (CANVAS, CANVAS))
    else:
        one_each = [box[None] for box in read]
        answers = roi_align(discs.float()[:, None], one_each, cells, 1.0, aligned=False)[:, 0]
        windows = [_stock_paste(answer, box) for answer, box in zip(answers, boxes)]
    scores = []
    for disc, (rows, columns, values) in zip(discs.numpy(), windows):
        drawn = np.zeros_like(disc)
        drawn[rows, columns] = values >= 0.5
        scores.append(2 * (drawn & disc).sum() / (drawn.sum() + disc.sum()))
    return float(np.mean(scores))


def draw_discs(diameter_px: float, num: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(num, CANVAS, CANVAS): pixels whose centres lie in a disc around a random point."""
    centre = CANVAS / 2 + rng.uniform(-2, 2, (num, 2, 1, 1))
    place = np.arange(CANVAS) + 0.5
    squared = (place[:, None] - centre[:, 0]) ** 2 + (place[None, :] - centre[:, 1]) ** 2
    discs = squared <= (diameter_px / 2) ** 2
    nearest = squared == squared.min(axis=(1, 2), keepdims=True)
    return discs | nearest  # a small disc between four centres is a pixel all the same


def _rounded(boxes: Tensor, roi_op: str) -> Tensor:
    """The part of the image (R, 4) that a RoI operation reads, in px."""
    cells = boxes / STRIDE
    if roi_op == "pool":
        low = (cells[:, :2] + 0.5).floor()
        high = torch.maximum((cells[:, 2:] + 0.5).floor() + 1, low + 1)
    elif roi_op == "resize":
        low, high = cells[:, :2].floor(), cells[:, 2:].ceil()
    else:
        return boxes
    return torch.cat([low, high], dim=1) * STRIDE


def _stock_paste(mask: Tensor, box: Tensor) -> tuple[slice, slice, NDArray[np.float32]]:
    """A mask resized to the whole pixels of its box, a cell of zeros around it."""
    size = mask.shape[-1]
    padded = F.pad(mask, (1, 1, 1, 1))
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * (size + 2) / size
    x1, y1, x2, y2 = torch.cat([centre - half, centre + half]).long().tolist()
    width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    values = F.interpolate(padded[None, None], (height, width), mode="bilinear")[0, 0]
    return slice(y1, y1 + height), slice(x1, x1 + width), values.numpy()


def ceiling_table(cells: int, num: int = 200) -> list[dict[str, float | str]]:
    """One row a diameter: Dice of every way to read with every coding."""
    rows: list[dict[str, float | str]] = []
    for diameter in DIAMETERS_PX:
        row: dict[str, float | str] = {"diameter_px": diameter}
        for coding in CODINGS:
            for roi_op in ROI_OPS:
                row[f"{roi_op}, {coding}"] = ceiling(
                    diameter, roi_op=roi_op, coding=coding, cells=cells, num=num
                )
        rows.append(row)
    return rows


def disc_sides(diameters_px: Sequence[float], num: int, seed: int = 0) -> NDArray[np.float64]:
    """(len(diameters) * num, 2): width and height of discs at random places, by diameter."""
    rng = np.random.default_rng(seed)
    sides = []
    for diameter in diameters_px:
        boxes = masks_to_boxes(torch.from_numpy(draw_discs(diameter, num, rng))).numpy()
        sides.append(boxes[:, 2:] - boxes[:, :2])
    return np.concatenate(sides).astype(np.float64)
