"""What must not break the detector: no boxes, empty ones, far ones, NaN, too many lesions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from toy_slices import anchors_at, codes_of, images, predicted, target, values

from lesionseg.models.mask_rcnn.rpn import Proposals
from lesionseg.ops.assignment import IGNORED, NEGATIVE

SHAPE = (40, 48)
ROI_OPS = ("align", "pool", "resize")
ASSIGNERS = ("iou", "atss", "nwd")
LESION = ((10, 10, 4),)
MANY = tuple((row, column, 1) for row in range(0, 40, 3) for column in range(0, 48, 3))


def with_boxes(boxes):
    """A target with these boxes, its masks cut from one square lesion."""
    base = target(LESION)
    num = len(boxes)
    return dataclasses.replace(
        base,
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.ones(num, dtype=torch.long),
        masks=base.masks.expand(num, -1, -1),
        lesion_ids=torch.ones(num, dtype=torch.int32),
    )


def losses_and_gradients(network, targets):
    """Of every loss term and every weight, by name."""
    generator = torch.Generator().manual_seed(0)
    terms = network.losses(images(len(targets)), targets, generator)
    sum(terms.values()).backward()
    return terms | {name: weight.grad for name, weight in network.named_parameters()}


ODD_BOXES = {
    "none": [],
    "a point": [[10, 10, 10, 10]],
    "no width": [[10, 10, 10, 14]],
    "inverted": [[14, 14, 10, 10]],
    "outside": [[60, 50, 64, 54], [-9, -9, -5, -5]],
    "across the border": [[44, 36, 60, 50], [-5, 3, 2, 8]],
    "beside a good one": [[10, 10, 14, 14], [20, 20, 20, 20], [90, 90, 95, 95]],
}
ALL_ODD = [box for boxes in ODD_BOXES.values() for box in boxes]


@pytest.mark.parametrize("box_loss", ["smooth_l1", "giou"])
@pytest.mark.parametrize("boxes", ODD_BOXES.values(), ids=ODD_BOXES.keys())
def test_odd_lesion_boxes_have_finite_losses(narrow, boxes, box_loss):
    network = narrow("maskrcnn", roi_rule={"box_loss": box_loss})
    found = losses_and_gradients(network, [with_boxes(boxes), target(LESION)])
    assert [name for name, value in found.items() if not torch.isfinite(value).all()] == []


@pytest.mark.parametrize("assigner", ASSIGNERS)
def test_odd_lesion_boxes_are_assigned_by_every_rule(narrow, assigner):
    one_a_cell = {"anchors": [[[6, 6, 1]], [[12, 12, 1]], [[24, 24, 1]], [[48, 48, 1]]]}
    anchors = one_a_cell if assigner == "centre" else {}
    network = narrow("maskrcnn", proposal_rule={"assigner": assigner}, **anchors)
    found = losses_and_gradients(network, [with_boxes(ALL_ODD), with_boxes([])])
    assert [name for name, value in found.items() if not torch.isfinite(value).all()] == []


@pytest.mark.parametrize("roi_op", ROI_OPS)
def test_odd_proposals_are_read_and_answered(narrow, roi_op):
    """Zero area, outside, inverted, none: every RoI has a finite answer, every image its own."""
    network = narrow("maskrcnn", roi_op=roi_op, roi_rule={"score_floor": 0.0}).eval()
    pyramid = network.backbone(images(2, (64, 64)))
    odd = torch.tensor(ALL_ODD, dtype=torch.float32)
    sure = Proposals(odd, torch.ones(len(odd)))
    none = Proposals(odd[:0], torch.ones(0))
    answers = network.roi_heads.detect(
        pyramid, network.roi_heads.scored(pyramid, [sure, none], (64, 64))
    )
    first, second = map(dataclasses.astuple, answers)
    boxes, scores, labels, masks = first
    assert len(boxes) > 0
    for answer in (boxes, scores, masks):
        assert torch.isfinite(answer).all()
    assert (labels == 1).all()
    assert boxes.min() >= 0
    assert boxes.max() <= 64
    assert [len(answer) for answer in second] == [0, 0, 0, 0]


@pytest.mark.parametrize("where", ["everywhere", "in one pixel", "in one image"])
@pytest.mark.parametrize("roi_op", ROI_OPS)
def test_nan_in_the_image_is_no_detection_and_no_crash(narrow, roi_op, where):
    network = narrow("maskrcnn", roi_op=roi_op, roi_rule={"score_floor": 0.0}).eval()
    batch = images(2)
    batch[{"everywhere": ..., "in one pixel": (0, 0, 3, 5), "in one image": 0}[where]] = math.nan
    first, second = predicted(network, batch)
    if where != "in one pixel":
        assert len(first.scores) == 0
        assert first.masks.shape == (
            0,
            network.roi_heads.mask_head.size,
            network.roi_heads.mask_head.size,
        )
    if where == "everywhere":
        assert len(second.scores) == 0
        return
    for one in (first, second):
        assert np.isfinite(one.scores).all()
        assert np.isfinite(one.boxes).all()
    (alone,) = predicted(network, images(2)[1:])
    np.testing.assert_allclose(second.scores, alone.scores, atol=1e-5)  # as if nothing had been


@pytest.mark.parametrize("model", ["fasterrcnn", "detect_then_segment"])
def test_nan_is_no_detection_of_the_others_either(narrow, model):
    network = narrow(model, roi_rule={"score_floor": 0.0}).eval()
    for one in network.predict(torch.full((2, 2, *SHAPE), math.nan)):
        assert len(one.scores) == len(one.boxes) == len(one.masks) == 0


def test_an_anchor_without_a_number_proposes_nothing(narrow):
    """Neither where its score is none nor where its box is; the others keep their order."""
    anchors = strip(0, 10, 20, 30)
    logits = torch.tensor([[0.0, math.nan, 2.0, 3.0]])
    codes = torch.zeros(1, 4, 4)
    codes[0, 3, 2] = math.nan
    rpn = narrow("maskrcnn").rpn
    (found,) = rpn.proposals(logits, codes_of(codes), anchors, SHAPE, num_candidates=4)
    assert found.boxes.tolist() == [[30, 10, 34, 14], [10, 10, 14, 14]]


def test_nan_in_training_is_a_loss_that_says_so(narrow):
    network = narrow("maskrcnn")
    terms = network.losses(torch.full((1, 2, *SHAPE), math.nan), [target(LESION)])
    assert math.isnan(sum(terms.values()).item())


def test_more_lesions_than_are_sampled_fill_the_sample_and_no_more(narrow):
    rule = {"num_samples": 10, "positive_fraction": 0.5, "num_mask_samples": 3}
    network = narrow("maskrcnn", roi_rule=rule)
    assert len(target(MANY).boxes) == len(MANY) > 200
    generator = torch.Generator().manual_seed(0)
    terms = network.loss_terms(images(), [target(MANY), target(MANY)], generator)
    assert len(terms["roi_class"].output) == 2 * 10
    assert len(terms["roi_box"].output) <= 2 * 5
    assert len(terms["roi_mask"].output) == 2 * 3
    assert all(torch.isfinite(term.value) for term in terms.values())


def test_more_lesions_than_proposals_keep_theirs(narrow):
    """Lesions are candidates beside the proposals, so they are seen even where none is proposed."""
    network = narrow("maskrcnn", proposal_rule={"num_train_candidates": 2, "num_proposals": 1})
    terms = network.loss_terms(images(1), [target(MANY)])
    assert len(terms["roi_box"].output) >= int(0.33 * 32)


# The GIoU box loss, by hand.


def giou_loss(narrow, proposals, lesion):
    """Of heads whose box codes move nothing, on these proposals and the lesion's own box."""
    heads = narrow("maskrcnn", roi_rule={"box_loss": "giou"}).roi_heads
    size = heads.mask_head.size
    codes = []

    def classify(pyramid, rois):
        codes.append(torch.zeros(len(rois[0]), 1, 4, requires_grad=True))
        return torch.zeros(len(rois[0]), 2), codes[0]

    heads._classify = classify
    heads._masks = lambda pyramid, boxes: torch.zeros(len(boxes[0]), 1, size, size)
    generator = torch.Generator().manual_seed(0)
    found = values(heads.loss_terms([], [torch.tensor(proposals)], [lesion], generator))["roi_box"]
    found.backward()
    return found.item(), codes[0].grad[:, 0]


@pytest.mark.parametrize(
    ("proposal", "giou"),
    [
        ([10.0, 10, 14, 14], 1.0),
        ([11.0, 10, 15, 14], 12 / 20),  # the box around both is their union
        ([11.0, 11, 15, 15], 9 / 23 - 2 / 25),  # 25 around both, two cells of them empty
        ([10.0, 10, 14, 12], 8 / 16),
    ],
)
def test_the_giou_loss_is_one_less_giou_over_all_rois(narrow, proposal, giou):
    far = [30.0, 30, 34, 34]  # a negative: it has no box to learn, and counts in the mean
    loss, gradient = giou_loss(narrow, [proposal, far], target(LESION))
    assert loss == pytest.approx((1 - giou) / 3, abs=1e-6)
    assert gradient.abs().sum(dim=1).count_nonzero() <= 2


def test_the_giou_loss_pulls_a_box_back_onto_its_lesion(narrow):
    """The proposal lies 1 px right and below: the centre's code should fall."""
    _, gradient = giou_loss(narrow, [[11.0, 11, 15, 15]], target(LESION))
    moved = gradient[gradient.abs().sum(dim=1) > 0]
    assert (moved[:, :2].amax(dim=0) > 0).all()


# Assignment inside the proposal network.


def strip(*shifts):
    """Anchors of 4 px, shifted along x; IoU with the lesion at 10 is (4 - s) / (4 + s)."""
    return anchors_at([[10 + s, 10.0, 14 + s, 14.0] for s in shifts])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # IoU 1, .6, .33, .14, 0 against .4 and .2
        ({"assigner": "iou"}, [0, 0, IGNORED, NEGATIVE, NEGATIVE]),
        # threshold .42 + .40 of the five looked at
        ({"assigner": "atss"}, [0, NEGATIVE, NEGATIVE, NEGATIVE, NEGATIVE]),
        # exp(-s / 4) = 1, .78, .61, .47, .11 against .75 and .6
        (
            {"assigner": "nwd", "nwd_constant_px": 4.0},
            [0, 0, IGNORED, NEGATIVE, NEGATIVE],
        ),
        # exp(-s / 2) = 1, .61, .37, .22, .01
        (
            {"assigner": "nwd", "nwd_constant_px": 2.0},
            [0, IGNORED, NEGATIVE, NEGATIVE, NEGATIVE],
        ),
    ],
)
def test_the_rule_s_numbers_reach_its_assigner(narrow, rule, expected):
    rpn = narrow("maskrcnn", proposal_rule=rule).rpn
    assert rpn._assign(strip(0, 1, 2, 3, 9), target(LESION).boxes).tolist() == expected


@pytest.mark.parametrize("assigner", ASSIGNERS)
def test_each_lesion_has_an_anchor_that_answers_for_it(narrow, assigner):
    """On the network's own anchors, lesions of 1 to 20 px at any place."""
    network = narrow("maskrcnn", proposal_rule={"assigner": assigner})
    lesions = ((0, 0, 1), (3, 9, 2), (13, 5, 3), (30, 2, 8), (10, 22, 20), (39, 47, 1))
    boxes = target(lesions).boxes
    _, _, anchors = network.rpn(network.backbone(images(1, (64, 64))))
    matches = network.rpn._assign(anchors, boxes)
    assert set(matches[matches >= 0].tolist()) == set(range(len(lesions)))


class WaitingOperations(TorchDispatchMode):
    """Names of operations whose result the host would have to wait for on a GPU."""

    WAITING = (
        "nonzero",
        "_local_scalar_dense",
        "masked_select",
        "is_nonzero",
        "equal",
        "_unique2",
        "unique_consecutive",
    )

    def __init__(self):
        super().__init__()
        self.found, self.seen = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.seen += 1
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        by_mask = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)
        if name in self.WAITING or by_mask:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_operations_that_wait_are_noticed():
    x = torch.arange(4.0)
    with WaitingOperations() as watch:
        x[x > 1]
        (x > 1).nonzero()
        x.masked_select(x > 1)
        x[torch.tensor([0, 1])]
        float(x.max())
    assert watch.found == ["index", "nonzero", "masked_select", "_local_scalar_dense"]


@pytest.mark.parametrize("lesions", [LESION, MANY, ()], ids=["one", "many", "none"])
@pytest.mark.parametrize("assigner", ASSIGNERS)
def test_assigning_never_waits_for_the_device(narrow, assigner, lesions):
    """It runs once an image, so that on a GPU each wait would be paid batch-size times."""
    network = narrow("maskrcnn", proposal_rule={"assigner": assigner})
    _, _, anchors = network.rpn(network.backbone(images(1, (64, 64))))
    boxes = target(lesions).boxes
    with WaitingOperations() as watch:
        matches = network.rpn._assign(anchors, boxes)
    assert watch.seen > 0
    assert len(matches) == len(anchors.boxes)
    assert watch.found == []
