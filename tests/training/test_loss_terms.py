"""Loss terms: what each is worth, and which lesion each of its elements answers for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from loss_networks import TERMS, build, ids_of
from torch import nn
from toy_slices import values

from lesionseg.models.losses import soft_dice_loss
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.targets import owners_in_batch, slice_target
from lesionseg.ops.assignment import assign_by_iou
from lesionseg.ops.boxes import box_iou, encode_boxes, pad_boxes
from lesionseg.ops.masks import mask_targets
from lesionseg.training.loss_owners import pixel_owners, term_owners


def batch():
    """Four slices, one of them empty."""
    ids = [
        ids_of((1, 3, 3, 2), (2, 20, 30, 6)),
        ids_of(),
        ids_of((3, 40, 40, 8)),
        ids_of((1, 0, 0, 1), (2, 10, 10, 3), (3, 30, 12, 4)),
    ]
    images = torch.randn(4, 2, 48, 48, generator=torch.Generator().manual_seed(2))
    return images, [slice_target(i) for i in ids]


def test_a_pixel_knows_its_piece_among_the_pieces_of_the_batch():
    first, second = ids_of((5, 0, 0, 2), (9, 4, 4, 1)), ids_of((5, 10, 10, 3))
    targets = [slice_target(first), slice_target(ids_of()), slice_target(second)]
    owners = pixel_owners(targets)
    assert owners.shape == (3, 1, 48, 48)
    pieces = torch.cat([target.lesion_ids for target in targets]).tolist()
    assert sorted(pieces) == [5, 5, 9]
    expected = {0: first, 2: second}
    for n, ids in expected.items():
        for row, column in np.argwhere(ids):
            assert pieces[owners[n, 0, row, column]] == ids[row, column]
    assert (owners >= 0).sum() == 4 + 1 + 9
    assert (owners[1] == -1).all()


def test_owners_move_behind_the_pieces_before_them():
    targets = [slice_target(ids_of((1, 0, 0, 1), (2, 5, 5, 1))), slice_target(ids_of((1, 3, 3, 1)))]
    moved = owners_in_batch([torch.tensor([1, -1, 0]), torch.tensor([0, -2])], targets)
    assert [m.tolist() for m in moved] == [[1, -1, 0], [2, -1]]


def test_two_pieces_of_one_lesion_have_its_id():
    target = slice_target(ids_of((70_000, 1, 1, 2), (70_000, 20, 20, 3), (4, 30, 30, 1)))
    assert sorted(target.lesion_ids.tolist()) == [4, 70_000, 70_000]
    assert target.lesion_ids.dtype == torch.int32
    for lesion, box in zip(target.lesion_ids.tolist(), target.boxes.tolist()):
        assert (lesion == 4) == (box == [30, 30, 31, 31])


def test_losses_of_the_unet_are_the_usual_ones(narrow):
    network, (images, targets) = build(narrow, "unet").eval(), batch()
    found = network.losses(images, targets)
    semantic = torch.stack([target.semantic for target in targets])
    logits = network(images)
    assert list(found) == TERMS["unet"]
    torch.testing.assert_close(found["cross_entropy"], F.cross_entropy(logits, semantic))
    torch.testing.assert_close(found["dice"], soft_dice_loss(logits, semantic, PixelClasses(1)))


def test_losses_of_the_detector_are_the_usual_ones(narrow):
    """From the paper's formulas, over proposals of which none is left out."""
    every = {"num_samples": 10_000, "positive_fraction": 1.0, "num_mask_samples": 10_000}
    iou = {"assigner": "iou"}  # which ignores some anchors
    network = narrow("maskrcnn", roi_rule=every, proposal_rule=iou).eval()
    for head in network.rpn.objectness:
        nn.init.zeros_(head.bias)  # so that an ignored anchor would count, were it counted
    images, targets = batch()
    found = network.losses(images, targets)
    assert list(found) == TERMS["maskrcnn"]
    pyramid = network.backbone(images)
    logits, codes_at, anchors = network.rpn(pyramid)
    image, anchor = torch.ones_like(logits).nonzero(as_tuple=True)
    codes = codes_at(image, anchor).view(*logits.shape, 4)
    focal, box, num = rpn_losses(network.rpn.rule, logits, codes, anchors.boxes, targets)
    torch.testing.assert_close(found["rpn_objectness"], focal / num)
    torch.testing.assert_close(found["rpn_box"], box / num)
    num = network.rpn.rule.num_train_candidates
    found_there = network.rpn.proposals(logits, codes_at, anchors, (48, 48), num_candidates=num)
    proposals = [one.boxes for one in found_there]
    expected = roi_losses(network.roi_heads, pyramid, proposals, targets)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
    semantic = torch.stack([target.semantic for target in targets])
    dense = F.pixel_shuffle(network.dense.classify(pyramid[0]), 2)
    expected = F.cross_entropy(dense, semantic) + soft_dice_loss(dense, semantic, PixelClasses(1))
    torch.testing.assert_close(found["dense"], expected)


def rpn_losses(rule, logits, codes, anchors, targets):
    """Focal loss, box loss and number of positives, summed image by image."""
    focal = box = torch.zeros(())
    num = 0
    for n, target in enumerate(targets):
        match = assign_by_iou(
            anchors,
            target.boxes,
            positive=rule.positive_iou,
            negative=rule.negative_iou,
            force_best=True,
        )
        lesion, air = match >= 0, match == -1
        p = logits[n].sigmoid()
        a, g = rule.focal_alpha, rule.focal_gamma
        focal = focal - (a * (1 - p[lesion]) ** g * p[lesion].log()).sum()
        focal = focal - ((1 - a) * p[air] ** g * (1 - p[air]).log()).sum()
        wanted = encode_boxes(target.boxes[match[lesion]], anchors[lesion], (1.0, 1.0))
        box = box + F.smooth_l1_loss(codes[n][lesion], wanted, reduction="sum", beta=0.1)
        num += int(lesion.sum())
    return focal, box, num


def roi_losses(heads, pyramid, proposals, targets):
    """The three terms over all proposals and lesions, without any drawing of samples."""
    rois = [torch.cat([found, target.boxes]) for found, target in zip(proposals, targets)]
    logits, codes = heads._classify(pyramid, rois)
    codes = codes[:, 0]  # of the one class
    entropy, offset, inside, owners = [], [], [], []
    row = 0
    for roi, target in zip(rois, targets):
        kept, own = [], []
        for box in roi:
            overlap = box_iou(box[None], target.boxes)[0] if len(target.boxes) else torch.zeros(1)
            lesion = float(overlap.max()) >= heads.rule.positive_iou
            share = logits[row].softmax(dim=0)
            entropy.append(-share[1 if lesion else 0].log())
            if lesion:
                piece = int(overlap.argmax())
                wanted = encode_boxes(target.boxes[piece][None], box[None], (5.0, 5.0))
                offset.append(F.smooth_l1_loss(codes[row][None], wanted, reduction="sum", beta=0.5))
                kept.append(box)
                own.append(piece)
            row += 1
        inside.append(pad_boxes(torch.stack(kept) if kept else roi[:0], 1.0))
        owners.append(own)
    masks = heads._masks(pyramid, inside)[:, 0]
    wanted = [
        mask_targets(target.masks[own].float(), box, heads.mask_head.size)
        for target, own, box in zip(targets, owners, inside)
        if own
    ]
    return {
        "roi_class": torch.stack(entropy).sum() / row,
        "roi_box": torch.stack(offset).sum() / row,
        "roi_mask": F.binary_cross_entropy(masks.sigmoid(), torch.cat(wanted)),
    }


@pytest.mark.parametrize("name", list(TERMS))
def test_the_terms_measured_are_the_losses_trained_on(narrow, name):
    network, (images, targets) = build(narrow, name).eval(), batch()
    trained = network.losses(images, targets, torch.Generator().manual_seed(0))
    measured = values(network.loss_terms(images, targets, torch.Generator().manual_seed(0)))
    assert list(trained) == list(measured) == TERMS[name]
    for term, value in trained.items():
        assert torch.equal(value, measured[term]), term


def test_each_anchor_and_region_counts_for_the_lesion_it_is_matched_to(narrow):
    """The box terms are shared out as the positives are: each by the piece of highest IoU."""
    network, (images, targets) = narrow("maskrcnn").eval(), batch()
    terms = network.loss_terms(images, targets, torch.Generator().manual_seed(0))
    pieces = torch.cat([target.boxes for target in targets])
    owners = term_owners(terms["rpn_box"], targets)[:, 0]
    assert owners.min() >= 0
    assert set(owners.tolist()) == set(range(len(pieces)))  # no lesion goes without an anchor
    objectness = term_owners(terms["rpn_objectness"], targets)
    assert (objectness >= 0).sum() == len(owners)
    start = 0
    for n, target in enumerate(targets):
        own = set(objectness[n].tolist()) - {-1}
        assert own == set(range(start, start + len(target.boxes)))
        start += len(target.boxes)
    regions = term_owners(terms["roi_box"], targets)[:, 0]
    classes = term_owners(terms["roi_class"], targets)[:, 0]
    assert set(regions.tolist()) == set(range(len(pieces)))
    assert regions.tolist() == classes[classes >= 0].tolist()
    for region, code in zip(regions, terms["roi_box"].per_element):
        assert code.shape == (4,)
        assert 0 <= region < len(pieces)


def test_a_mask_cell_counts_for_the_lesion_where_the_lesion_is(narrow):
    """A 4 px square in its box grown by a pixel: 14 cells of 3/7 px, 2 to 11 in it, but corners.

    Cell 2 stands at 15/14 px of the grown box, where the lesion's edge at 1 px has risen to 4/7; at
    a corner it is 16/49, less than one half.
    """
    heads, target = narrow("maskrcnn").roi_heads, slice_target(ids_of((3, 20, 20, 4)))
    pyramid = [torch.zeros(1, 16, 48 // stride, 48 // stride) for stride in (2, 4, 8, 16)]
    term = heads.loss_terms(pyramid, [torch.zeros(0, 4)], [target], None)["roi_mask"]
    expected = torch.full((14, 14), -1)
    expected[2:12, 2:12] = 0
    for row in (2, 11):
        for column in (2, 11):
            expected[row, column] = -1
    assert term_owners(term, [target]).tolist() == [expected.tolist()]
    assert term.output.shape == term.per_element.shape == (1, 14, 14)
