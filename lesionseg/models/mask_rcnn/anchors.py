"""Reference boxes on the grid of each pyramid level, from a pixel up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Of one level: (width px, height px, density). A shape of density d stands at d x d places in a
# cell, because the distance between anchors must shrink with the lesions, whatever the stride.
AnchorShapes = Sequence[Sequence[float]]


class Anchors(NamedTuple):
    """boxes: (A, 4) xyxy in pixels, of one level after another, cell by cell.

    level_sizes: how many on each level. per_cell: how many anchors each cell of a level has.
    """

    boxes: Tensor
    level_sizes: tuple[int, ...]
    per_cell: tuple[int, ...]

    def cells_and_kinds(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Of anchors (K,): the cell that each stands in and which of its cell's it is, (K,) each.

        Both are numbered through all levels.
        """
        cells, kinds = index, index
        start = first_cell = first_kind = 0
        for size, num in zip(self.level_sizes, self.per_cell):
            here, within = index >= start, index - start  # later levels replace it
            cells = torch.where(here, first_cell + within // num, cells)
            kinds = torch.where(here, first_kind + within % num, kinds)
            start, first_cell, first_kind = start + size, first_cell + size // num, first_kind + num
        return cells, kinds


def num_per_cell(shapes: AnchorShapes) -> int:
    """Anchors of a level at each of its cells."""
    return sum(int(density) ** 2 for _, _, density in shapes)


def level_anchors(shapes: AnchorShapes, stride: int, shape: tuple[int, int]) -> Tensor:
    """Anchors of one level: (H * W * A, 4) xyxy in pixels, cell by cell, A = num_per_cell(shapes).

    shape: (H, W) of the level.
    """
    boxes = []
    for width, height, density in shapes:
        step = stride / int(density)
        place = (torch.arange(int(density)) + 0.5) * step
        y, x = torch.meshgrid(place, place, indexing="ij")
        half = torch.tensor([width / 2, height / 2])
        centre = torch.stack([x, y], dim=-1).reshape(-1, 2)
        boxes.append(torch.cat([centre - half, centre + half], dim=1))
    in_cell = torch.cat(boxes)
    height, width = shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    corner = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4) * stride
    return (corner + in_cell).reshape(-1, 4)


def pyramid_anchors(
    levels: Sequence[AnchorShapes],
    strides: Sequence[int],
    shapes: Sequence[tuple[int, int]],
    device: torch.device,
) -> Anchors:
    """Anchors of all levels, finest first. shapes: (H, W) of each level."""
    boxes = [level_anchors(*level) for level in zip(levels, strides, shapes, strict=True)]
    return Anchors(
        torch.cat(boxes).to(device),
        tuple(level.shape[0] for level in boxes),  # len() would fix them when a graph is traced
        tuple(num_per_cell(level) for level in levels),
    )
