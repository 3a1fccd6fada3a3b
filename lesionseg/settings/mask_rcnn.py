"""Mask R-CNN, and Faster R-CNN, which is the same without its mask head."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lesionseg.settings.backbone import BackboneSettings
from lesionseg.settings.record import (
    AboveZero,
    Bins,
    Depth,
    NotNegative,
    OneOf,
    Positive,
    Record,
    Share,
    Width,
)

ASSIGNERS = ("iou", "atss", "nwd", "centre")
BOX_LOSSES = ("smooth_l1", "giou")
MASK_LOSSES = ("sigmoid", "softmax", "mse", "bce_dice")
PER_CLASS = ("per_class", "agnostic")
ROI_OPS = ("align", "pool", "resize")
AnchorRow = tuple[AboveZero, AboveZero, Positive]  # width, height in px; density: rows in a cell
AnchorLevel = Annotated[tuple[AnchorRow, ...], Field(min_length=1)]


class ProposalRule(Record):
    """How anchors are matched to lesions, and how many proposals are kept."""

    assigner: Annotated[str, OneOf((*ASSIGNERS, "planned"))] = Field(
        default="planned",
        description="How anchors are matched to lesions: by positive_iou, the best anchor of a "
        "lesion in any case (iou); by a threshold for each lesion (atss, Zhang et al. 2020); by "
        "the normalised Wasserstein distance (nwd, Wang et al. 2021); or, with one anchor a cell, "
        "by where a lesion's middle lies (centre, Tian et al. 2022); planned: centre where each "
        "cell has one anchor, else iou.",
    )
    positive_iou: Share = Field(
        default=0.5,
        description="Anchors at or above this IoU are positive; with fewer anchors than planned, "
        "0.4 learns faster.",
    )
    negative_iou: Share = Field(
        default=0.3, description="Anchors below this IoU are negative; with fewer anchors, 0.2."
    )
    atss_nearest: Positive = Field(
        default=9,
        description="Anchors of each level that atss considers for a lesion, the nearest.",
    )
    nwd_constant_px: AboveZero | Literal["planned"] = Field(
        default="planned", description="Scale of nwd; planned: the mean side of the boxes."
    )
    nwd_positive: Share = Field(
        default=0.75, description="Anchors at or above this nwd are positive."
    )
    nwd_negative: Share = Field(default=0.6, description="Anchors below this nwd are negative.")
    focal_gamma: NotNegative = Field(
        default=2.0, description="Exponent of the focal loss (Lin et al. 2017) of the objectness."
    )
    focal_alpha: Share = Field(default=0.5, description="Weight of lesions in that loss.")
    num_candidates: Positive = Field(
        default=1000, description="Best anchors of a slice that go to non-maximum suppression."
    )
    num_train_candidates: Positive = Field(
        default=200, description="The same for a training window, which is smaller."
    )
    num_proposals: Positive = Field(
        default=512, description="Proposals that are left after it, at most."
    )
    nms_iou: Share = Field(
        default=0.6, description="IoU above which the worse of two proposals is dropped."
    )

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> ProposalRule:
        for rule, low, high in (
            ("iou", self.negative_iou, self.positive_iou),
            ("nwd", self.nwd_negative, self.nwd_positive),
        ):
            if low > high:
                raise ValueError(
                    f"an anchor would be negative below {rule} {low:g} and positive from {high:g} "
                    "on; want the first no larger"
                )
        return self


class RoIRule(Record):
    """How proposals become training samples and detections."""

    num_samples: Positive = Field(
        default=32, description="Proposals of a training window in the loss."
    )
    positive_fraction: Share = Field(
        default=0.33, description="Share of them that is positive, at most."
    )
    hard_fraction: Share = Field(
        default=0.5, description="Share of the others that the proposal network ranks highest."
    )
    positive_iou: Share = Field(
        default=0.35, description="Proposals at or above this IoU are positive."
    )
    box_loss: Annotated[str, OneOf(BOX_LOSSES)] = Field(
        default="smooth_l1", description="Loss of the box code (smooth_l1), or of the boxes (giou)."
    )
    context_px: NotNegative = Field(
        default=2.0, description="Pixels around each box that the box head sees too, on every side."
    )
    max_cells: AboveZero = Field(
        default=14.0,
        description="A RoI reads the finest level on which it is at most so many cells wide.",
    )
    num_mask_samples: Positive = Field(
        default=10, description="Lesion proposals of a training window in the mask loss."
    )
    score_floor: NotNegative = Field(
        default=0.2, description="Detections below this score are not made."
    )
    nms_iou: Share = Field(
        default=0.2, description="IoU above which the worse of two detections is dropped."
    )
    num_detections: Positive = Field(default=512, description="Detections of a slice, at most.")


class MaskRCNNSettings(BackboneSettings):
    """A detector, sized for lesions of 2 to 10 pixels."""

    anchors: tuple[AnchorLevel, ...] | Literal["planned", "points"] = Field(
        default="points",
        examples=[[[[2, 2, 1], [4, 4, 1]], [[8, 8, 1]]]],
        description="Rows of width, height (pixels) and density, a list for each level, finest "
        "first; planned: fitted on the training lesions, as plan.yaml says; points: one square a "
        "cell, three strides wide.",
    )
    roi_op: Annotated[str, OneOf(ROI_OPS)] = Field(
        default="align",
        description="How a RoI reads the pyramid: sampled without rounding (align), pooled over "
        "whole cells (pool), or cropped and resized (resize).",
    )
    box_bins: Bins = Field(default=5, description="Bins a side that the box head reads of a RoI.")
    box: Annotated[str, OneOf(PER_CLASS)] = Field(
        default="per_class",
        description="Whether the box head refines a box for each lesion class (per_class) or one "
        "for all (agnostic).",
    )
    box_width: Width = Field(default=128, description="Units of the box head's two layers.")
    mask_bins: Bins | Literal["planned"] = Field(
        default="planned",
        description="Bins a side that the mask head reads; masks have twice as many cells a side; "
        "planned: as plan.yaml says.",
    )
    mask_width: Width = Field(default=32, description="Channels of the mask head.")
    mask_convs: Depth | None = Field(
        default=2,
        description="Convolutions of the mask head; null: no mask head, a lesion is an ellipse.",
    )
    mask_loss: Annotated[str, OneOf(MASK_LOSSES)] = Field(
        default="sigmoid", description="How the mask head is trained."
    )
    masks: Annotated[str, OneOf(PER_CLASS)] = Field(
        default="per_class",
        description="Whether the mask head draws a mask for each lesion class (per_class) or one "
        "for all (agnostic).",
    )
    dense_weight: NotNegative = Field(
        default=1.0,
        description="Weight of the auxiliary pixel loss on the finest level; 0 leaves it out.",
    )
    proposal_rule: ProposalRule = Field(description="From anchors to proposals.")
    roi_rule: RoIRule = Field(description="From proposals to detections.")
