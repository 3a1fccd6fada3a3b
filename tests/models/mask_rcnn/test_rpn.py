"""The proposal network: what each anchor answers, costs and proposes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from toy_slices import anchors_at, codes_of, target, values

from lesionseg.models.mask_rcnn.roi_heads import RoIHeads
from lesionseg.ops import encode_boxes

SHAPE = (40, 48)


def test_objectness_counts_every_anchor_that_is_not_ignored(narrow):
    """Focal loss (Lin et al. 2017, eq. 5) over three anchors, by hand."""
    rpn = narrow("maskrcnn", proposal_rule={"focal_alpha": 0.3}).rpn
    rpn.rule = rpn.rule.model_copy(update={"assigner": "iou"})
    gamma, alpha = rpn.rule.focal_gamma, rpn.rule.focal_alpha
    lesion = target(((10, 10, 4),))
    anchors = anchors_at(
        [[10.0, 10, 14, 14], [12.0, 10, 16, 14], [30.0, 30, 34, 34]]
    )  # IoU 1, 1/3, 0
    assert rpn.rule.negative_iou < 1 / 3 < rpn.rule.positive_iou
    logits = torch.tensor([[0.4, 2.0, -1.5]])
    found = values(rpn.loss_terms(logits, codes_of(torch.zeros(1, 3, 4)), anchors, [lesion]))
    p, q = 1 / (1 + math.exp(-0.4)), 1 / (1 + math.exp(1.5))
    expected = -alpha * (1 - p) ** gamma * math.log(p)
    expected -= (1 - alpha) * q**gamma * math.log(1 - q)
    assert found["rpn_objectness"].item() == pytest.approx(expected, rel=1e-5)
    assert found["rpn_box"].item() == 0  # the anchor is the lesion


def test_objectness_without_lesions_is_the_sum_over_anchors(narrow):
    rpn = narrow("maskrcnn").rpn
    anchors = anchors_at([[0.0, 0, 4, 4], [9.0, 9, 12, 12]])
    still = codes_of(torch.zeros(1, 2, 4))
    found = values(rpn.loss_terms(torch.zeros(1, 2), still, anchors, [target(())]))
    expected = 2 * (1 - rpn.rule.focal_alpha) * 0.5**rpn.rule.focal_gamma * math.log(2)
    assert found["rpn_objectness"].item() == pytest.approx(expected, rel=1e-5)
    assert found["rpn_box"].item() == 0


def test_a_perfect_box_code_costs_nothing_and_another_does(narrow):
    rpn = narrow("maskrcnn").rpn
    lesion = target(((10, 10, 4),))
    anchors = anchors_at([[10.5, 10, 14.5, 14], [30.0, 30, 34, 34]])
    perfect = encode_boxes(lesion.boxes, anchors.boxes[:1], (1.0, 1.0))
    codes = torch.cat([perfect, torch.full((1, 4), 9.0)])[None]  # the negative's code is free
    logits = torch.zeros(1, 2)
    right = values(rpn.loss_terms(logits, codes_of(codes), anchors, [lesion]))
    assert right["rpn_box"].item() < 1e-6
    wrong = values(rpn.loss_terms(logits, codes_of(codes + 0.5), anchors, [lesion]))
    assert wrong["rpn_box"].item() > 1


def test_answers_and_anchors_stand_in_the_same_order(narrow):
    """A network that copies one pixel's feature to its logits points at that pixel's anchors."""
    rpn = narrow("maskrcnn").rpn
    channels = rpn.objectness[0].in_channels
    pyramid = [torch.zeros(2, channels, 12 // 2**i, 16 // 2**i) for i in range(len(rpn.strides))]
    with torch.no_grad():
        rpn.codes.weight[:] = 0
        rpn.codes.weight[:, 0] = torch.arange(float(rpn.codes.out_features))
        rpn.codes.bias[:] = torch.arange(float(rpn.codes.out_features))
    last_row = 0
    for level, objectness in enumerate(rpn.objectness):
        num = objectness.out_channels
        last_row += 4 * num
        with torch.no_grad():
            objectness.weight[:, 0, 0, 0] = torch.arange(num) + 1.0
            objectness.weight[:, 1:] = 0
            objectness.bias[:] = -100
        hot = [torch.zeros_like(p) for p in pyramid]
        hot[level][1, 0, 0, 1 if hot[level].shape[3] > 1 else 0] = 200
        logits, codes_at, anchors = rpn([*hot])
        assert logits.shape == (2, len(anchors.boxes)) == (2, sum(anchors.level_sizes))
        best = int(logits[1].argmax())
        x1, y1, x2, y2 = anchors.boxes[best].tolist()
        stride = rpn.strides[level]
        column = 1 if hot[level].shape[3] > 1 else 0
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == ((column + 0.5) * stride, 0.5 * stride)
        largest = max(height for _, height, _ in rpn.levels[level])
        assert y2 - y1 == pytest.approx(largest, rel=1e-5)  # the last of the level's kinds
        (code,) = codes_at(torch.tensor([1]), torch.tensor([best])).tolist()
        assert code == [201 * (last_row + i) for i in (-4, -3, -2, -1)]
        assert logits[0].max() <= -math.log(99) + 1e-3  # the other image stays quiet


def test_codes_are_those_of_a_convolution_over_every_cell(narrow):
    """Values and gradients, of anchors of all levels, some asked for twice."""
    rpn = narrow("maskrcnn").rpn.eval()
    channels = rpn.objectness[0].in_channels
    shapes = [(12 // 2**i, 16 // 2**i) for i in range(len(rpn.strides))]
    rng = torch.Generator().manual_seed(0)
    pyramid = [torch.randn(2, channels, *s, generator=rng, requires_grad=True) for s in shapes]
    _, codes_at, anchors = rpn(pyramid)
    num = len(anchors.boxes)
    image, anchor = (torch.randint(n, (num,), generator=rng) for n in (2, num))
    ends = torch.tensor(anchors.level_sizes).cumsum(0)
    assert len(torch.bucketize(anchor, ends, right=True).unique()) == len(ends)
    dense, row = [], 0
    for level, objectness in zip(pyramid, rpn.objectness):
        rows = slice(row, row + 4 * objectness.out_channels)
        weight, bias = rpn.codes.weight[rows, :, None, None], rpn.codes.bias[rows]
        made = F.conv2d(level, weight, bias)
        dense.append(made.permute(0, 2, 3, 1).reshape(2, -1, 4))
        row = rows.stop
    expected, found = torch.cat(dense, 1)[image, anchor], codes_at(image, anchor)
    torch.testing.assert_close(found, expected)
    inputs = [*pyramid, *rpn.codes.parameters()]
    mix = torch.randn(num, 4, generator=rng)
    theirs = torch.autograd.grad((expected * mix).sum(), inputs)
    ours = torch.autograd.grad((found * mix).sum(), inputs)
    for one, other in zip(ours, theirs):
        assert other.abs().sum() > 0
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_proposals_are_the_best_anchors_after_suppression(narrow):
    rpn = narrow("maskrcnn", proposal_rule={"num_proposals": 2, "nms_iou": 0.5}).rpn
    anchors = anchors_at(
        [[0.0, 0, 4, 4], [0.0, 0, 4, 3.5], [20.0, 20, 24, 24], [44.0, 30, 60, 50], [9.0, 9, 12, 12]]
    )
    logits = torch.tensor([[1.0, 3.0, 2.0, 0.0, -5.0], [0.0, 0.0, 0.0, 9.0, 5.0]])
    codes_at = codes_of(torch.zeros(2, 5, 4))
    first, second = rpn.proposals(logits, codes_at, anchors, SHAPE, num_candidates=4)
    assert first.boxes.tolist() == [[0, 0, 4, 3.5], [20, 20, 24, 24]]
    assert second.boxes.tolist() == [[44, 30, 48, 40], [9, 9, 12, 12]]  # clipped to the image
    assert first.objectness.tolist() == pytest.approx([1 / (1 + math.exp(-x)) for x in (3, 2)])


def test_proposals_below_the_least_objectness_are_left_out_and_the_others_stay(narrow):
    rpn = narrow("maskrcnn").rpn
    anchors = anchors_at([[0.0, 0, 4, 4], [20.0, 20, 24, 24], [9.0, 9, 12, 12]])
    logits = torch.logit(torch.tensor([[0.9, 0.04, 0.039]]))
    codes_at = codes_of(torch.zeros(1, 3, 4))
    (found,) = rpn.proposals(logits, codes_at, anchors, SHAPE, num_candidates=3, least=0.0399)
    assert found.objectness.tolist() == pytest.approx([0.9, 0.04])


def test_what_could_not_score_is_not_proposed_and_nothing_else_changes(narrow):
    network = narrow("maskrcnn", in_channels=2, roi_rule={"score_floor": 0.4}).eval()
    with torch.no_grad():  # scores on both sides of the floor
        network.rpn.objectness[0].bias[:] = 0
        network.rpn.objectness[0].weight *= 300
    images = torch.randn(2, 2, *SHAPE, generator=torch.Generator().manual_seed(3))
    found = network.on_the_way(images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoIHeads, "least_objectness", 0.0)
        every = network.on_the_way(images)
    assert 0 < len(found[0].proposals) < len(every[0].proposals)
    for one, other in zip(found, every):
        assert len(one.detections.boxes) > 0
        torch.testing.assert_close(one.detections.boxes, other.detections.boxes)
        torch.testing.assert_close(one.detections.scores, other.detections.scores)
