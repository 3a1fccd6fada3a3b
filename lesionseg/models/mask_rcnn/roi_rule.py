"""The numbers of training samples and detections."""

from __future__ import annotations

from dataclasses import dataclass

BOX_LOSSES = ("smooth_l1", "giou")


@dataclass(frozen=True)
class RoIRule:
    """How proposals become training samples and detections.

    num_samples: proposals a training window in the loss, at most positive_fraction of them lesions.
    hard_fraction: of the others are those that the RPN ranks highest.
    positive_iou: a proposal at or above it is a lesion. box_loss: `smooth_l1` of the box code, or
    `giou` of the boxes, which asks for the same share of overlap whatever their size. context_px:
    the box head sees the box grown by so many pixels a side, since a 3 px box alone shows no
    surroundings.
    max_cells: a RoI reads the finest level on which it is at most so many cells wide.
    score_floor: detections below it are never made.
    """

    num_samples: int = 32
    positive_fraction: float = 0.33
    hard_fraction: float = 0.5
    positive_iou: float = 0.35
    box_loss: str = "smooth_l1"
    context_px: float = 2.0
    max_cells: float = 14.0
    num_mask_samples: int = 10
    score_floor: float = 0.1
    nms_iou: float = 0.2
    num_detections: int = 512

    def __post_init__(self) -> None:
        if self.box_loss not in BOX_LOSSES:
            raise ValueError(f"box_loss is {self.box_loss!r}, known: {', '.join(BOX_LOSSES)}")
