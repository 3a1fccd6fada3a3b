"""How the mask head's maps are read and trained, against formulas in a loop over cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lesionseg.models.mask_rcnn.mask_losses import (
    MASK_LOSSES,
    mask_loss_term,
    mask_probability,
    num_maps,
)
from lesionseg.models.targets import slice_target
from lesionseg.training.loss_owners import term_owners

CELLS = 4


def pieces(num):
    """A target of so many pieces."""
    ids = np.zeros((1, 2 * num), np.int32)
    ids[0, ::2] = np.arange(num) + 1
    return slice_target(ids)


def drawn(mask_loss, num_classes, num=5, seed=0):
    """Maps (R, num_maps, m, m), labels (R,) and targets (R, m, m) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    maps = 2 * torch.randn(num, num_maps(mask_loss, num_classes), CELLS, CELLS, generator=generator)
    labels = torch.arange(num) % num_classes + 1
    wanted = torch.rand(num, CELLS, CELLS, generator=generator)
    wanted[:, 0] = (wanted[:, 0] > 0.5).float()  # most cells are surely in or out
    return maps.requires_grad_(), labels, wanted


def term(maps, labels, wanted, mask_loss):
    return mask_loss_term(maps, labels, wanted, mask_loss, [torch.arange(len(labels))])


def logistic(x):
    return 1 / (1 + math.exp(-x))


def entropy(p, w):
    return -(w * math.log(p) + (1 - w) * math.log(1 - p))


def competing(logits, label):
    """Log-probabilities of a class and of background, of all classes in a cell."""
    whole = math.log(sum(math.exp(x) for x in logits))
    return logits[label] - whole, logits[0] - whole


def slow_loss(maps, labels, wanted, mask_loss):
    """Mean over cells, cell by cell; soft Dice RoI by RoI."""
    total, dice = 0.0, 0.0
    for roi, label in enumerate(labels.tolist()):
        both, ours, truth = 0.0, 0.0, 0.0
        for row in range(CELLS):
            for column in range(CELLS):
                logits = maps[roi, :, row, column].tolist()
                w = wanted[roi, row, column].item()
                if mask_loss == "softmax":
                    lesion, background = competing(logits, label)
                    total -= w * lesion + (1 - w) * background
                    continue
                p = logistic(logits[label - 1])
                total += (p - w) ** 2 if mask_loss == "mse" else entropy(p, w)
                both, ours, truth = both + p * w, ours + p, truth + w
        dice += 1 - (2 * both + 1) / (ours + truth + 1)
    mean = total / (len(labels) * CELLS**2)
    return mean + dice / len(labels) if mask_loss == "bce_dice" else mean


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_a_loss_is_that_of_the_loop(mask_loss, num_classes):
    maps, labels, wanted = drawn(mask_loss, num_classes)
    assert len(set(labels.tolist())) == num_classes
    expected = slow_loss(maps, labels, wanted, mask_loss)
    assert term(maps, labels, wanted, mask_loss).value.item() == pytest.approx(expected, rel=1e-5)


def test_losses_of_one_cell_by_hand():
    """Logit log 3 where lesion is wanted: p = 3/4. With background at 0, softmax says the same."""
    maps, one = torch.tensor([[[[math.log(3.0)]]]]), torch.tensor([1])
    wanted = torch.ones(1, 1, 1)
    expected = {
        "sigmoid": math.log(4 / 3),
        "mse": 1 / 16,
        "bce_dice": math.log(4 / 3) + 1 - (2 * 0.75 + 1) / (0.75 + 1 + 1),
    }
    for mask_loss, value in expected.items():
        found = mask_loss_term(maps, one, wanted, mask_loss, [one])
        assert found.value.item() == pytest.approx(value, rel=1e-6)
    both = torch.cat([torch.zeros(1, 1, 1, 1), maps], dim=1)
    found = mask_loss_term(both, one, wanted, "softmax", [one])
    assert found.value.item() == pytest.approx(math.log(4 / 3), rel=1e-6)


@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_classes_compete_with_softmax_and_with_nothing_else(mask_loss):
    """What a RoI of class 2 teaches the maps of the classes 1 and 3."""
    maps, _, wanted = drawn(mask_loss, 3)
    term(maps, torch.full((len(maps),), 2), wanted, mask_loss).value.backward()
    taught = maps.grad.abs().sum(dim=(0, 2, 3)) > 0
    expected = [True] * 4 if mask_loss == "softmax" else [False, True, False]
    assert taught.tolist() == expected


@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_another_class_s_map_lowers_the_mask_where_classes_compete(mask_loss):
    maps, _, _ = drawn(mask_loss, 3)
    labels = torch.full((len(maps),), 2)
    other = maps.detach().clone()
    other[:, -1] += 4  # class 3, or whatever comes last
    before, after = (mask_probability(m.detach(), labels, mask_loss) for m in (maps, other))
    assert bool((after < before).all()) == (mask_loss == "softmax")
    assert torch.equal(before, after) == (mask_loss != "softmax")


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_the_mask_is_the_probability_of_the_roi_s_own_class(mask_loss, num_classes):
    maps, labels, _ = drawn(mask_loss, num_classes)
    found = mask_probability(maps.detach(), labels, mask_loss)
    assert found.shape == (len(labels), CELLS, CELLS)
    for roi, label in enumerate(labels.tolist()):
        for row in range(CELLS):
            logits = maps[roi, :, row, 1].tolist()
            if mask_loss == "softmax":
                expected = math.exp(competing(logits, label)[0])
            else:
                expected = logistic(logits[label - 1])
            assert found[roi, row, 1].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mask_loss", ["sigmoid", "softmax", "mse"])  # Dice asks for certainty
def test_a_cell_half_covered_is_met_by_one_half(mask_loss):
    """At a lesion's edge: the loss is least, its gradient zero, where the probability is 1/2."""
    num = num_maps(mask_loss, 1)
    maps = torch.zeros(1, num, CELLS, CELLS, requires_grad=True)
    wanted = torch.full((1, CELLS, CELLS), 0.5)
    term(maps, torch.tensor([1]), wanted, mask_loss).value.backward()
    assert maps.grad.abs().max().item() < 1e-7


@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_without_rois_the_loss_is_zero_and_can_be_trained(mask_loss):
    maps, labels, wanted = drawn(mask_loss, 3, num=0)
    found = term(maps, labels, wanted, mask_loss)
    assert found.value.item() == 0
    found.value.backward()
    assert maps.grad.shape == maps.shape
    assert mask_probability(maps, labels, mask_loss).shape == (0, CELLS, CELLS)


@pytest.mark.parametrize("mask_loss", MASK_LOSSES)
def test_elements_add_up_to_the_loss_and_owners_lie_beside_them(mask_loss):
    maps, labels, wanted = drawn(mask_loss, 3)
    found = term(maps.bfloat16(), labels, wanted, mask_loss)
    assert found.value.dtype == torch.float32  # whatever precision the network computes in
    owners = term_owners(found, [pieces(len(labels))])
    torch.broadcast_shapes(owners.shape, found.output.shape)
    assert (found.per_element is None) == (mask_loss == "bce_dice")  # Dice is no sum over cells
    if found.per_element is None:
        return
    assert owners.shape == found.per_element.shape
    mean = found.per_element.sum() / wanted.numel()
    assert found.value.item() == pytest.approx(mean.item(), rel=1e-6)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="mask_loss is 'dice', known: sigmoid, softmax, mse"):
        num_maps("dice", 1)
