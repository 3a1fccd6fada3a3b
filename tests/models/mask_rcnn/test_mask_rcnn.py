"""The detector: losses on every kind of slice, tidy answers, and that it learns to find lesions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toy_slices import anchors_at, as_arrays, codes_of, images, predicted, target, values

from lesionseg.inference.linking import link_slices
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.models.mask_rcnn.roi_heads import CODE_WEIGHTS
from lesionseg.models.mask_rcnn.rpn import Proposals
from lesionseg.ops import box_iou, encode_boxes
from lesionseg.ops.boxes import pad_boxes

SHAPE = (40, 48)
MANY = tuple((row, column, 1) for row in range(0, 40, 3) for column in range(0, 48, 3))
SLICES = {
    "small lesions": [((5, 6, 3), (20, 30, 4)), ((10, 10, 2),)],
    "none in one": [((5, 6, 3),), ()],
    "none in any": [(), ()],
    "one pixel": [((0, 0, 1),), ((39, 47, 1), (20, 20, 1))],
    "more than are sampled": [MANY, ((8, 8, 2),)],
    "all of the slice": [((0, 0, 48),), ((2, 2, 30),)],
}


@pytest.mark.parametrize("lesions", SLICES.values(), ids=SLICES.keys())
def test_losses_and_their_gradients_are_finite(narrow, lesions):
    network = narrow("maskrcnn")
    assert len(MANY) > network.roi_heads.rule.num_samples
    generator = torch.Generator().manual_seed(0)
    terms = network.losses(images(), [target(some) for some in lesions], generator)
    names = {"rpn_objectness", "rpn_box", "roi_class", "roi_box", "roi_mask", "dense"}
    assert set(terms) == names
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    for name in ("rpn_box", "roi_box", "roi_mask"):
        assert (terms[name].item() > 0) == any(lesions)
    sum(terms.values()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    assert network.roi_heads.mask_head.layers[0].weight.grad.any() == any(lesions)


@pytest.mark.parametrize("shape", [(33, 41), (48, 40), (7, 5), (16, 100)])
def test_answers_are_sorted_inside_the_image_and_of_the_types_promised(narrow, shape):
    network = narrow("maskrcnn", roi_rule={"score_floor": 0.0, "num_detections": 30}).eval()
    found = predicted(network, images(3, shape))
    assert len(found) == 3
    for one in found:
        num = len(one.scores)
        assert 0 < num <= 30
        assert (np.diff(one.scores) <= 0).all()
        assert one.scores.min() >= 0
        assert one.scores.max() <= 1
        assert (one.labels == 1).all()
        low, high = one.boxes[:, :2] + MASK_MARGIN_PX, one.boxes[:, 2:] - MASK_MARGIN_PX
        assert (low >= -1e-4).all()
        assert (high <= np.array([shape[1], shape[0]]) + 1e-4).all()
        assert (low <= high + 1e-4).all()
        size = network.roi_heads.mask_head.size
        assert one.masks.shape == (num, size, size)
        assert one.masks.min() >= 0
        assert one.masks.max() <= 1
        types = [a.dtype for a in (one.boxes, one.scores, one.labels, one.masks)]
        assert types == [np.float32, np.float32, np.int64, np.float32]


def test_where_nothing_is_found_the_answers_are_empty_and_whole(narrow):
    network = narrow("maskrcnn", roi_rule={"score_floor": 1.1}).eval()
    size = network.roi_heads.mask_head.size
    for one in predicted(network, images(2)):
        assert one.boxes.shape == (0, 4)
        assert one.masks.shape == (0, size, size)
        assert one.scores.shape == one.labels.shape == (0,)


def test_an_answer_does_not_depend_on_the_batch_it_came_in(narrow):
    network = narrow("maskrcnn", roi_rule={"score_floor": 0.0, "num_detections": 20})
    network.losses(images(4), [target(())] * 4)  # moves the running means from where they start
    network.eval()
    batch = images(4, seed=1)
    (alone,) = predicted(network, batch[:1])
    together = predicted(network, batch)[0]
    np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-3)
    np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)
    np.testing.assert_allclose(together.masks, alone.masks, atol=1e-3)


def test_predicting_leaves_the_network_as_it_was(narrow):
    network = narrow("maskrcnn").eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    network.predict(images(2))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def train(network, batch, targets, num_steps, rate, seed=0):
    network.train()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    for _ in range(num_steps):
        optimiser.zero_grad()
        sum(network.losses(batch, targets, generator).values()).backward()
        optimiser.step()
    return network.eval()


def test_the_same_seed_gives_the_same_network(narrow):
    targets = [target(some) for some in SLICES["more than are sampled"]]
    weights = []
    for seed in (0, 0, 1):
        network = narrow("maskrcnn")
        weights.append(train(network, images(), targets, 2, 1e-3, seed).state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
    assert any(not torch.equal(v, weights[2][k]) for k, v in weights[0].items())


@pytest.mark.slow
def test_it_learns_the_lesions_of_one_small_batch(narrow):
    """Lesions of 2 to 8 px, each of its own brightness; found, outlined, and nothing else."""
    lesions = [((4, 5, 2), (18, 30, 4), (30, 8, 3)), ((8, 20, 8), (30, 36, 2)), ()]
    targets = [target(some) for some in lesions]
    batch = images(3) * 0.3
    for n, one in enumerate(targets):
        batch[n] += 2.5 * one.semantic
    network = narrow("maskrcnn")
    train(network, batch, targets, 150, 2e-3)
    found = network.predict(batch)
    for one, truth in zip(map(as_arrays, found), targets):
        sure = one.scores >= 0.5
        if not len(truth.boxes):
            assert not sure.any()
            continue
        boxes = pad_boxes(torch.tensor(one.boxes[sure]), -MASK_MARGIN_PX)
        overlap = box_iou(boxes, truth.boxes)
        assert overlap.amax(dim=0).min() > 0.35  # each lesion has a detection
        assert overlap.amax(dim=1).min() > 0.1  # and each detection a lesion
    outlined = link_slices(found, SHAPE, affine=np.eye(4))
    ids = np.moveaxis(np.where(outlined.probability >= 0.5, outlined.lesion_ids, 0), 2, 0)
    truth = np.stack([one.semantic.numpy() for one in targets])
    sure = np.isin(ids, [i for i, score in outlined.scores.items() if score >= 0.5])
    assert 2 * (sure & (truth > 0)).sum() / (sure.sum() + truth.sum()) > 0.8


# The proposal network, piece by piece.


def test_objectness_counts_every_anchor_that_is_not_ignored(narrow):
    """Focal loss (Lin et al. 2017, eq. 5) over three anchors, by hand."""
    rpn = narrow("maskrcnn", proposal_rule={"focal_alpha": 0.3}).rpn
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
    rpn.shared = torch.nn.Identity()
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
        made = F.conv2d(rpn.shared(level), weight, bias)
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


# The heads on each RoI, piece by piece.


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
    """The heads with fixed answers: class logits (R, 2), box codes (R, 4), masks all alike."""
    heads._classify = lambda pyramid, rois: (logits, codes)
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
    (found,) = heads.detect([], [Proposals(proposals, objectness)], SHAPE)
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
        return torch.tensor([[0.0, 2.0]]).repeat(len(rois[0]), 1), torch.zeros(len(rois[0]), 4)

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
