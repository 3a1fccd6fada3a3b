"""The detector: losses on every kind of slice, tidy answers, and that it learns to find lesions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_slices import as_arrays, images, predicted, target

from lesionseg.inference.linking import link_slices
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.ops import box_iou
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
