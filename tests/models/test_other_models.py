"""Faster R-CNN, detect-then-segment, the one-stage network; Mask R-CNN with several classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toy_slices import as_arrays, images, predicted, target, taught

from lesionseg.inference.linking import link_slices
from lesionseg.models.mask_rcnn.mask_losses import MASK_LOSSES
from lesionseg.ops import box_iou
from lesionseg.ops.masks import paste_masks

RPN, HEADS = {"rpn_objectness", "rpn_box"}, {"roi_class", "roi_box"}
TERMS = {
    "fasterrcnn": RPN | HEADS | {"dense"},
    "detect_then_segment": RPN | HEADS | {"dense", "crop_mask"},
    "fcn": {"cross_entropy"},
}
MANY = tuple((row, column, 1) for row in range(0, 40, 3) for column in range(0, 48, 3))
SLICES = {
    "small lesions": [((5, 6, 3), (20, 30, 4)), ((10, 10, 2),)],
    "none in one": [((5, 6, 3),), ()],
    "none in any": [(), ()],
    "more than are sampled": [MANY, ((8, 8, 2),)],
    "all of the slice": [((0, 0, 48),), ((39, 47, 1),)],
}
EAGER = {"roi_rule": {"score_floor": 0.0, "num_detections": 20}}


@pytest.mark.parametrize("lesions", SLICES.values(), ids=SLICES.keys())
@pytest.mark.parametrize("model", TERMS)
def test_losses_and_their_gradients_are_finite(narrow, model, lesions):
    network = narrow(model)
    generator = torch.Generator().manual_seed(0)
    terms = network.losses(images(), [target(some) for some in lesions], generator)
    assert set(terms) == TERMS[model]
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    if "crop_mask" in terms:
        assert (terms["crop_mask"].item() > 0) == any(lesions)
    sum(terms.values()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


@pytest.mark.parametrize("shape", [(33, 41), (7, 5), (1, 1), (16, 100)])
@pytest.mark.parametrize("model", ["fasterrcnn", "detect_then_segment"])
def test_detections_on_any_shape_are_sorted_and_of_the_types_promised(narrow, model, shape):
    for one in predicted(narrow(model, **EAGER).eval(), images(3, shape)):
        num = len(one.scores)
        assert 0 < num <= 20
        assert (np.diff(one.scores) <= 0).all()
        assert (one.labels == 1).all()
        margin = 3 if model == "detect_then_segment" else 0  # what the crop shows around a box
        low, high = one.boxes[:, :2] + margin, one.boxes[:, 2:] - margin
        assert (low >= -1e-4).all()
        assert (high <= np.array([shape[1], shape[0]]) + 1e-4).all()
        assert one.masks.shape == (num, 28, 28)
        assert one.masks.min() >= 0
        assert one.masks.max() <= 1
        types = [a.dtype for a in (one.boxes, one.scores, one.labels, one.masks)]
        assert types == [np.float32, np.float32, np.int64, np.float32]


@pytest.mark.parametrize("model", ["fasterrcnn", "detect_then_segment"])
def test_where_nothing_is_found_the_answers_are_empty_and_whole(narrow, model):
    network = narrow(model, roi_rule={"score_floor": 1.1}).eval()
    for one in predicted(network, images(2)):
        assert one.boxes.shape == (0, 4)
        assert one.masks.shape == (0, 28, 28)
        assert one.scores.shape == one.labels.shape == (0,)


@pytest.mark.parametrize("shape", [(33, 41), (7, 5), (1, 1)])
def test_a_one_stage_network_gives_each_pixel_a_probability(narrow, shape):
    for one in narrow("fcn").eval().predict(images(3, shape)):
        assert one.shape == (1, *shape)
        assert one.dtype == torch.float32
        assert 0 <= one.min() <= one.max() <= 1


def test_a_detector_without_mask_head_draws_the_ellipse_inside_its_box(narrow):
    network = narrow("fasterrcnn", **EAGER).eval()
    assert network.roi_heads.mask_head is None
    (found,) = predicted(network, images(1))
    assert found.masks.mean(axis=(1, 2)) == pytest.approx(math.pi / 4, rel=0.01)
    # pasted into a box of 20 x 10 px: the pixels whose centres the ellipse holds
    box = torch.tensor([[4.0, 6.0, 24.0, 16.0]])
    ((rows, columns, values),) = paste_masks(torch.tensor(found.masks[:1]), box, (40, 48))
    assert (rows, columns) == (slice(6, 16), slice(4, 24))
    y, x = np.mgrid[6:16, 4:24] + 0.5
    truth = ((x - 14) / 10) ** 2 + ((y - 11) / 5) ** 2 <= 1
    assert (truth != (values >= 0.5)).sum() <= 4  # those the edge halves
    assert (values >= 0.5).sum() == pytest.approx(math.pi / 4 * 200, rel=0.04)


def test_the_parts_of_detect_then_segment_are_trained_apart(narrow):
    """No gradient of the one's loss reaches the other, and no weight is in both."""
    network = narrow("detect_then_segment")
    generator = torch.Generator().manual_seed(0)
    parts = [list(p.parameters()) for p in (network.detector, network.segmenter)]
    assert not {id(weight) for weight in parts[0]} & {id(weight) for weight in parts[1]}
    targets = [target(some) for some in SLICES["small lesions"]]
    terms = network.losses(images(), targets, generator)
    mask = terms.pop("crop_mask")
    for loss, reached, spared in ((mask, 1, 0), (sum(terms.values()), 0, 1)):
        network.zero_grad(set_to_none=True)
        loss.backward()
        assert all(weight.grad is not None for weight in parts[reached])
        assert all(weight.grad is None for weight in parts[spared])


def test_the_crops_of_detect_then_segment_stand_around_the_detector_s_boxes(narrow):
    network = narrow("detect_then_segment", crop_margin_px=2.5, **EAGER).eval()
    found, detected = predicted(network, images(2)), predicted(network.detector, images(2))
    for one, before in zip(found, detected):
        assert len(one.boxes)
        np.testing.assert_allclose(one.boxes[:, :2], before.boxes[:, :2] - 2.5, atol=1e-5)
        np.testing.assert_allclose(one.boxes[:, 2:], before.boxes[:, 2:] + 2.5, atol=1e-5)
        np.testing.assert_array_equal(one.scores, before.scores)


def test_training_crops_move_no_further_than_they_may(narrow):
    network = narrow("detect_then_segment", jitter_px=0.75)
    generator = torch.Generator().manual_seed(0)
    offsets = network._jittered(torch.zeros(500, 4), generator)
    assert offsets.abs().max() <= 0.75
    assert offsets.amax(dim=0).min() > 0.6
    assert offsets.amin(dim=0).max() < -0.6


# Each learns the lesions of one small batch, and its answer comes out as a lesion map.

LESIONS = [((4, 5, 3), (20, 18, 4)), ((8, 14, 7),), ()]


def batch_of(targets, shape=(32, 32)):
    batch = images(len(targets), shape) * 0.3
    for n, one in enumerate(targets):
        batch[n] += 2.5 * (one.semantic > 0)
    return batch


def dice(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


@pytest.mark.slow
@pytest.mark.parametrize(("model", "wanted"), [("fasterrcnn", 0.65), ("detect_then_segment", 0.8)])
def test_a_detector_learns_the_lesions_of_one_small_batch(narrow, model, wanted):
    """The ellipse in a square lesion's box reaches a Dice of 2 * .785 / 1.785 = .88 at best."""
    targets = [target(some, (32, 32)) for some in LESIONS]
    batch = batch_of(targets)
    network = taught(narrow(model), batch, targets, num_steps=70)
    found = network.predict(batch)
    assert not (found[2].scores >= 0.5).any()
    for one, truth in zip(map(as_arrays, found[:2]), targets):
        sure = torch.tensor(one.boxes[one.scores >= 0.5])
        margin = 3 if model == "detect_then_segment" else 0
        sure = sure + torch.tensor([margin, margin, -margin, -margin])
        assert box_iou(sure, truth.boxes).amax(dim=0).min() > 0.35
    drawn = link_slices(found, (32, 32), affine=np.eye(4))
    known = [lesion for lesion, score in drawn.scores.items() if score >= 0.5]
    mask = np.isin(drawn.lesion_ids, known) & (drawn.probability >= 0.5)
    truth = np.stack([one.semantic.numpy() > 0 for one in targets], axis=2)
    assert dice(mask, truth) > wanted


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["cross_entropy", "dice_cross_entropy"])
def test_the_one_stage_network_learns_the_lesions_of_one_small_batch(narrow, loss):
    targets = [target(some, (32, 32)) for some in LESIONS]
    batch = batch_of(targets)
    network = taught(narrow("fcn", loss=loss), batch, targets, num_steps=90)
    found = torch.stack(network.predict(batch)).numpy() >= 0.5
    truth = np.stack([one.semantic.numpy() > 0 for one in targets])
    assert dice(found, truth) > 0.85


# Mask R-CNN with three classes of lesion.

KINDS = [((4, 5, 4), (20, 18, 5)), ((8, 14, 7), (24, 3, 3)), ()]
CLASSES = [(1, 2), (3, 1), ()]


@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_three_classes_have_finite_losses_and_labels_of_their_own(narrow, mask_loss):
    network = narrow("maskrcnn", num_classes=3, mask_loss=mask_loss, **EAGER)
    generator = torch.Generator().manual_seed(0)
    targets = [target(some, (32, 32), kinds) for some, kinds in zip(KINDS, CLASSES)]
    assert targets[1].semantic.unique().tolist() == [0, 1, 3]
    terms = network.losses(images(3, (32, 32)), targets, generator)
    assert all(torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    found = predicted(network.eval(), images(3, (32, 32)))
    labels = np.concatenate([one.labels for one in found])
    assert set(labels) <= {1, 2, 3}
    assert len(set(labels)) > 1
    assert found[0].masks.min() >= 0
    assert found[0].masks.max() <= 1


PLACES = [((4, 5), (20, 18), (5, 23)), ((8, 14), (24, 3), (22, 24)), ((3, 3), (12, 22), (24, 10))]
DEALT = [(1, 2, 3), (3, 1, 2), (2, 3, 1)]


@pytest.mark.slow
def test_three_classes_are_told_apart(narrow):
    """Class 1 is bright in the first channel, class 2 in the second, class 3 in both.

    Each slice has one of each, all of one size: with fewer, or of several sizes, a wrong class with
    a better box comes near the threshold, and rounding, which differs with the number of threads,
    decides whether it passes it.
    """
    several = [tuple((*place, 5) for place in some) for some in PLACES]
    targets = [target(some, (32, 32), kinds) for some, kinds in zip(several, DEALT)]
    batch = images(3, (32, 32)) * 0.3
    for n, one in enumerate(targets):
        batch[n, 0] += 2.5 * ((one.semantic == 1) | (one.semantic == 3))
        batch[n, 1] += 2.5 * (one.semantic >= 2)
    rule = {"positive_iou": 0.4, "negative_iou": 0.2}  # the anchors of these tests are few
    network = narrow("maskrcnn", num_classes=3, proposal_rule=rule)
    network = taught(network, batch, targets, num_steps=90)
    for one, truth in zip(predicted(network, batch), targets, strict=True):
        overlap = box_iou(torch.tensor(one.boxes), truth.boxes)
        best = torch.where(torch.tensor(one.scores)[:, None] >= 0.3, overlap, 0).argmax(dim=0)
        assert one.labels[best].tolist() == truth.labels.tolist()
