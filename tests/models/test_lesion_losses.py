"""Losses in which each lesion weighs alike, against loops over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toy_slices import target

from lesionseg.models.lesion_losses import (
    blob_term,
    component_dice_term,
    component_tversky_term,
    lesion_peak_term,
)
from lesionseg.models.losses import focal_term, tversky_term, weighted_entropy_term
from lesionseg.models.pixel_classes import PixelClasses

ONE = PixelClasses(1)
SHAPE = (12, 14)
LESIONS = [((1, 1, 2), (6, 8, 4)), (), ((9, 2, 1),)]


@pytest.fixture
def batch():
    """Logits (3, 2, H, W), targets, and the lesion probability as an array."""
    logits = torch.randn(3, 2, *SHAPE, generator=torch.Generator().manual_seed(5))
    found = np.exp(logits.numpy())
    return logits, [target(some, SHAPE) for some in LESIONS], found[:, 1] / found.sum(1)


def pixels_of(lesion):
    row, column, side = lesion
    return {(i, j) for i in range(row, row + side) for j in range(column, column + side)}


def every_pixel():
    return [(i, j) for i in range(SHAPE[0]) for j in range(SHAPE[1])]


def dice_lost(p, own, seen):
    """One minus the soft Dice of a lesion among the pixels seen."""
    overlap = sum(p[place] for place in own)
    return 1 - (2 * overlap + 1) / (sum(p[place] for place in seen) + len(own) + 1)


def test_blob_is_the_dice_of_each_lesion_without_the_others(batch):
    logits, targets, probability = batch
    losses = []
    for p, lesions in zip(probability, LESIONS):
        every = set().union(*map(pixels_of, lesions))
        for lesion in lesions:
            own = pixels_of(lesion)
            seen = [place for place in every_pixel() if place in own or place not in every]
            losses.append(dice_lost(p, own, seen))
    found = blob_term(logits, targets, ONE).value
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_component_dice_is_that_of_the_nearest_pixels(batch):
    logits, targets, probability = batch
    logits, probability, losses = logits.clone(), probability.copy(), []
    for number, (p, lesions) in enumerate(zip(probability, LESIONS)):
        pieces = [pixels_of(lesion) for lesion in lesions]
        away = np.array(
            [
                [min(math.dist(place, one) for one in own) for place in every_pixel()]
                for own in pieces
            ]
        )
        if len(pieces) > 1:  # as near to two: nothing is found there, so that it does not matter
            first, second = np.sort(away, axis=0)[:2]
            tied = (first == second).reshape(SHAPE)
            p[tied] = 0
            logits[number, 1, torch.from_numpy(tied)] = -100
        for place, own in enumerate(pieces):
            near = [x for x, nearest in zip(every_pixel(), away.argmin(0)) if nearest == place]
            losses.append(dice_lost(p, own, near))
    found = component_dice_term(logits, targets, ONE).value
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_component_tversky_weighs_a_pixel_by_its_lesion(batch):
    logits, targets, probability = batch
    hit = miss = outside = 0.0
    for p, lesions in zip(probability, LESIONS):
        every = set().union(*map(pixels_of, lesions))
        for lesion in lesions:
            for place in pixels_of(lesion):
                weight = 1 / (lesion[2] ** 2 + 5)
                hit += weight * p[place]
                miss += weight * (1 - p[place])
        if lesions:
            outside += 0.1 * sum(p[place] for place in every_pixel() if place not in every)
    expected = 1 - hit / (hit + 0.7 * miss + 0.3 * outside)
    found = component_tversky_term(logits, targets, ONE).value
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_lesion_is_found_by_its_surest_pixel(batch):
    logits, targets, probability = batch
    peaks = [
        max(p[place] for place in pixels_of(lesion))
        for p, lesions in zip(probability, LESIONS)
        for lesion in lesions
    ]
    expected = 0.2 * np.mean([-math.log(peak) for peak in peaks])
    moving = logits.clone().requires_grad_()
    term = lesion_peak_term(moving, targets, ONE)
    assert float(term.value.detach()) == pytest.approx(expected, rel=1e-5)
    term.value.backward()
    assert (moving.grad[:, 1] < 0).sum() == len(peaks)  # one pixel of each lesion is pushed up


@pytest.mark.parametrize(
    "term", [blob_term, component_dice_term, component_tversky_term, lesion_peak_term]
)
def test_they_fall_to_zero_for_a_perfect_answer_and_are_zero_without_lesions(term):
    made = [target(some, SHAPE) for some in LESIONS]
    sign = torch.stack([torch.where(one.semantic > 0, 1.0, -1.0) for one in made])
    assert float(term(torch.stack([-20 * sign, 20 * sign], 1), made, ONE).value) < 1e-4
    logits = torch.randn(2, 2, *SHAPE).requires_grad_()
    none = term(logits, [target((), SHAPE)] * 2, ONE).value
    none.backward()
    assert float(none.detach()) == 0
    assert not logits.grad.any()


def test_one_missed_lesion_costs_as_much_whatever_its_size():
    """What pixels do not give: a missed 1 px lesion and a missed 5 px one are charged alike."""
    made = [target(((1, 1, 1), (5, 6, 5)), SHAPE)]
    sign = torch.where(made[0].semantic > 0, 20.0, -20.0)
    prices = {}
    for lesion, place in (("small", np.s_[1:2, 1:2]), ("large", np.s_[5:10, 6:11])):
        missed = sign.clone()
        missed[place] = -20.0
        logits = torch.stack([-missed, missed])[None]
        prices[lesion] = [
            float(term(logits, made, ONE).value)
            for term in (blob_term, component_dice_term, lesion_peak_term)
        ]
    blob, component, peak = zip(prices["small"], prices["large"])
    assert peak[0] == pytest.approx(peak[1])
    for small, large in (blob, component):
        # the pixel added above and below leaves a missed pixel half its price
        assert small == pytest.approx((1 - 1 / 2) / 2, rel=1e-3)
        assert large == pytest.approx((1 - 1 / 26) / 2, rel=1e-3)


def test_weighted_and_focal_cross_entropy_by_hand(batch):
    logits, targets, probability = batch
    semantic = torch.stack([one.semantic for one in targets])
    truth = semantic.numpy() > 0
    right = np.where(truth, probability, 1 - probability)
    weight = np.where(truth, 10.0, 1.0)
    found = weighted_entropy_term(logits, semantic, ONE).value
    assert float(found) == pytest.approx((weight * -np.log(right)).sum() / weight.sum(), rel=1e-5)
    found = focal_term(logits, semantic, ONE).value
    assert float(found) == pytest.approx(((1 - right) ** 2 * -np.log(right)).mean(), rel=1e-5)


def test_focal_tversky_by_hand(batch):
    logits, targets, probability = batch
    semantic = torch.stack([one.semantic for one in targets])
    truth = semantic.numpy() > 0
    hit, miss = probability[truth].sum(), (1 - probability)[truth].sum()
    index = (hit + 1) / (hit + 0.7 * miss + 0.3 * probability[~truth].sum() + 1)
    found = tversky_term(logits, semantic, ONE).value
    assert float(found) == pytest.approx((1 - index) ** 0.75, rel=1e-5)
