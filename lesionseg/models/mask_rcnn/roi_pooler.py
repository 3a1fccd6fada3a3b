"""Where on the pyramid a RoI is read, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lesionseg.ops.roi_align import pyramid_roi_align
from lesionseg.ops.roi_pool import pyramid_roi_pool
from lesionseg.ops.roi_resize import pyramid_roi_resize

ROI_OPS = {"align": pyramid_roi_align, "pool": pyramid_roi_pool, "resize": pyramid_roi_resize}


@dataclass(frozen=True)
class RoIPooler:
    """Features of each RoI in bins x bins, from the level that suits its size.

    strides: of the pyramid's levels, finest first. op: `align` (He et al. 2017), `pool` (Girshick
    2015) or `resize`. max_cells: a RoI reads the finest level on which it is at most so wide.
    """

    strides: tuple[int, ...]
    op: str
    max_cells: float

    def __post_init__(self) -> None:
        if self.op not in ROI_OPS:
            raise ValueError(f"roi_op is {self.op!r}, known: {', '.join(ROI_OPS)}")

    def __call__(self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor], bins: int) -> Tensor:
        """boxes: (R_i, 4) xyxy in pixels, one tensor an image. Returns (R, C, bins, bins)."""
        rois = torch.cat(list(boxes))
        extent = (rois[:, 2:] - rois[:, :2]).amax(dim=1).clamp(min=1e-3)
        level = torch.log2(extent / (self.max_cells * self.strides[0])).ceil().long()
        level = level.clamp(0, len(pyramid) - 1)
        return ROI_OPS[self.op](pyramid, boxes, level, bins, [1 / s for s in self.strides])
