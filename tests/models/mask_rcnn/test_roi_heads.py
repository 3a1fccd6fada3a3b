"""The heads of each region: levels, detections, and what is learnt from which overlap."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from toy_slices import target, values

from lesionseg.models.mask_rcnn.roi_heads import CODE_WEIGHTS
from lesionseg.models.mask_rcnn.rpn import Proposals
from lesionseg.ops import encode_boxes

SHAPE = (40, 48)


def test_a_roi_reads_the_finest_level_on_which_it_is_small_enough(narrow):
    """Each level holds its own number, so a pooled value says where it was read."""
    heads = narrow("maskrcnn").roi_heads
    pyramid = [
        torch.full((1, 3, 64 // s, 64 // s), float(i)) for i, s in enumerate(heads.pooler.strides)
    ]
    widest = heads.rule.max_cells * heads.pooler.strides[0]
    sides = [1.0, widest, widest * 1.01, 2 * widest, 2.1 * widest, 40 * widest, 0.0]
    boxes = torch.tensor([[32 - s / 2, 30, 32 + s / 2, 31] for s in sides])
    pooled = heads.pooler(pyramid, [boxes], 1)[:, 0, 0, 0]
    assert pooled[:5].round().int().tolist() == [0, 0, 1, 1, 2]
    assert pooled[6].item() == 0


def answering(heads, logits, codes):
    """The heads with fixed answers: class logits (R, 2), codes (R, 4) of one class, equal masks."""
    heads._classify = lambda pyramid, rois: (logits, codes[:, None])
    heads._masks = lambda pyramid, boxes: torch.zeros(
        sum(map(len, boxes)), 1, heads.mask_head.size, heads.mask_head.size
    )
    return heads


def test_detections_are_scored_refined_clipped_suppressed_and_capped(narrow):
    rule = {"score_floor": 0.2, "nms_iou": 0.2, "num_detections": 2}
    proposals = torch.tensor(
        [[0.0, 0, 4, 4], [1.0, 0, 5, 4], [20.0, 20, 24, 24], [30.0, 30, 34, 34], [44.0, 36, 48, 40]]
    )
    # joint scores: sqrt(.9 * .4) = .6, sqrt(.9 * .9) = .9, sqrt(.25 * 1) = .5, .1 and .8
    objectness = torch.tensor([0.9, 0.9, 0.25, 0.5, 0.64])
    score = torch.tensor([0.4, 0.9, 0.999999, 0.02, 0.999999])
    logits = torch.stack([torch.zeros(5), torch.logit(score)], dim=1)
    moved = proposals.clone()
    moved[0], moved[4] = torch.tensor([2, 0, 6, 4]), torch.tensor([46, 38, 52, 44])
    codes = encode_boxes(moved, proposals, CODE_WEIGHTS)
    heads = answering(narrow("maskrcnn", roi_rule=rule).roi_heads, logits, codes)
    (found,) = heads.detect([], heads.scored([], [Proposals(proposals, objectness)], SHAPE))
    boxes, scores, labels, masks = dataclasses.astuple(found)
    # 0.6 overlaps 0.9 by IoU .6, 0.1 is below the floor, 0.5 is the third
    np.testing.assert_allclose(boxes, [[1, 0, 5, 4], [46, 38, 48, 40]], atol=1e-4)
    assert scores.tolist() == pytest.approx([0.9, 0.8])
    assert labels.tolist() == [1, 1]
    assert masks.shape == (2, heads.mask_head.size, heads.mask_head.size)
    assert masks.eq(0.5).all()


def test_classes_are_learnt_by_overlap_and_boxes_by_the_lesions_alone(narrow):
    """Two fair proposals and one poor one, and the lesion itself that is added to them."""
    heads = narrow("maskrcnn").roi_heads
    assert 0.2 < heads.rule.positive_iou < 0.6
    lesion = target(((10, 10, 4),))
    proposals = torch.tensor([[10.0, 10, 14, 14], [11.0, 10, 15, 14], [30.0, 30, 34, 34]])
    seen = {}

    def classify(pyramid, rois):
        seen["rois"] = rois[0]
        return torch.tensor([[0.0, 2.0]]).repeat(len(rois[0]), 1), torch.zeros(len(rois[0]), 1, 4)

    heads._classify = classify
    size = heads.mask_head.size
    heads._masks = lambda pyramid, boxes: torch.zeros(len(boxes[0]), 1, size, size)
    found = values(heads.loss_terms([], [proposals], [lesion], torch.Generator().manual_seed(0)))
    assert sorted(seen["rois"].tolist()) == sorted([*proposals.tolist(), [10, 10, 14, 14]])
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert found["roi_class"].item() == pytest.approx((3 * right + wrong) / 4, rel=1e-5)
    code = 5 * 1 / 4  # only the shifted one is off: dx = 5 * (12 - 13) / 4
    assert found["roi_box"].item() == pytest.approx((code - 0.25) / 4, rel=1e-4)  # smooth L1, .5
    assert found["roi_mask"].item() == pytest.approx(math.log(2), rel=1e-5)
