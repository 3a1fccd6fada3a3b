"""Anchors fitted on boxes: best IoUs against an explicit grid, and what a fit must reach."""

from __future__ import annotations

import numpy as np
import pytest
from anchor_oracles import lognormal_sides, middle_corners, rng, shares, slow_best_iou

from lesionseg.planning.anchor_fit import MOST_PER_CELL, NUM_LEVELS, _tries, best_iou, fit_anchors

pytestmark = pytest.mark.usefixtures("all_places_for_anchors")


@pytest.mark.parametrize("finest_stride", [1, 2])
@pytest.mark.parametrize("whole", [False, True])
def test_the_best_iou_is_that_of_an_explicit_grid(finest_stride, whole):
    levels = [[(2, 3, 1), (4, 4.5, 2), (1, 1, 4)], [(8, 6, 1)], [], [(30, 20, 2)]]
    sides, corners = rng().uniform(0.5, 30, (100, 2)), rng(1).uniform(16, 32, (100, 2))
    if whole:
        sides, corners = np.ceil(sides), np.floor(corners)
    found = best_iou(sides, levels, finest_stride, corners)
    np.testing.assert_allclose(
        found, slow_best_iou(sides, levels, finest_stride, corners), atol=1e-4
    )
    assert found.min() < 0.3 < 0.7 < found.max()


def test_the_best_iou_of_one_box_by_hand():
    """One anchor of 4 x 4 px at stride 8, its centres at 4, 12, ...: a box 1 px right of it."""
    side, corner = np.array([[4.0, 4.0]]), np.array([[3.0, 2.0]])
    assert best_iou(side, [[(4, 4, 1)]], 8, corner) == pytest.approx(12 / 20)
    assert best_iou(side, [[(4, 4, 1)]], 8, np.array([[8.0, 8.0]])) == pytest.approx(4 / 28)


def cost(levels):
    """Anchors for each cell of the finest level."""
    return sum(d**2 / 4**place for place, level in enumerate(levels) for _, _, d in level)


@pytest.mark.parametrize("stride", [1, 2])
def test_lesions_have_the_anchors_wanted_wherever_they_lie(stride):
    sides = lognormal_sides()
    assert 0.3 < (sides.max(axis=1) <= 4).mean() < 0.6
    levels = fit_anchors(sides, stride, rng())
    assert cost(levels) <= MOST_PER_CELL
    for whole in (False, True):
        narrow, every = shares(sides, levels, stride, whole)
        assert narrow >= 0.9
        assert every >= 0.97


@pytest.mark.parametrize("stride", [1, 2])
def test_no_anchor_is_superfluous(stride):
    """Without any one of them a share wanted is missed; the four squares stay in any case."""
    sides = lognormal_sides(500)
    levels = fit_anchors(sides, stride, rng())
    tries = _tries(sides, rng())
    needed = 0
    for place, level in enumerate(levels):
        middle = min(
            level, key=lambda s: (s[2] > 1, s[0] != s[1], abs(s[0] - 4 * stride * 2**place))
        )
        for shape in set(level) - {middle}:
            fewer = [[s for s in one if (i, s) != (place, shape)] for i, one in enumerate(levels)]
            covered = best_iou(tries.sides, fewer, stride, tries.corners) >= 0.5
            assert not tries.suffice(covered), (place, shape)
            needed += 1
    assert needed > 5


@pytest.mark.parametrize("stride", [1, 2])
def test_wide_outlines_have_anchors_and_do_not_spend_the_others(stride):
    """3 % of 150 px, more than the shares wanted may miss, cost about nothing."""
    sides = lognormal_sides()
    wide = np.concatenate([sides, np.full((100, 2), 150.0)])
    levels = fit_anchors(wide, stride, rng())
    assert shares(wide, levels, stride)[1] >= 0.97
    assert (best_iou(wide[-100:], levels, stride, middle_corners(100)) >= 0.5).all()
    assert cost(levels) < cost(fit_anchors(sides, stride, rng())) + 2


def test_where_the_shares_cannot_be_reached_no_anchor_is_there_for_nothing():
    """Needles: each anchor beside the squares covers a box that no other does."""
    sides = np.stack([np.ones(400), np.arange(400) % 20 + 1.0], axis=1)
    levels, tries = fit_anchors(sides, 2, rng()), _tries(sides, rng())
    assert not tries.suffice(best_iou(tries.sides, levels, 2, tries.corners) >= 0.5)
    covers = [
        best_iou(tries.sides, [[shape] if i == place else [] for i in range(4)], 2, tries.corners)
        >= 0.5
        for place, level in enumerate(levels)
        for shape in level
    ]
    alone = np.sum(covers, axis=0) == 1
    assert sum((one & alone).any() for one in covers) >= len(covers) - NUM_LEVELS > 1


def test_every_box_is_tried_and_counts_once_in_each_half():
    sides = np.concatenate([np.full((600_000, 2), 3.0), [[1, 1]] * 7, [[90, 40]]])
    tries = _tries(sides, rng())
    for half in (tries.whole, ~tries.whole):
        assert tries.weight[half].sum() == pytest.approx(len(sides), rel=1e-3)
        for side, num in (((3, 3), 600_000), ((1, 1), 7), ((90, 40), 1)):
            of_it = half & (tries.sides == side).all(axis=1)
            assert tries.weight[of_it].sum() == pytest.approx(num, rel=1e-3)
    assert len(tries.sides) < 60_000
    assert (tries.corners[tries.whole] % 1 == 0).all()
    within = tries.corners[~tries.whole] % 1
    assert np.histogram(within, bins=4, range=(0, 1))[0] / within.size == pytest.approx(
        [0.25] * 4, abs=0.02
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_however_odd_the_boxes_anchors_stay_within_their_cap(stride):
    """Needles and plates of every size cannot all be covered."""
    sides = np.concatenate([rng().integers(1, 9, (2000, 2)), rng(1).integers(1, 70, (2000, 2))])
    levels = fit_anchors(sides.astype(float), stride, rng())
    assert cost(levels) <= MOST_PER_CELL
    assert shares(sides.astype(float), levels, stride)[1] > 0.6


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1.0, 3.0, 90.0])
def test_every_level_has_an_anchor_even_where_no_box_is_of_its_size(stride, side):
    levels = fit_anchors(np.full((20, 2), side), stride, rng())
    assert len(levels) == NUM_LEVELS
    for place, level in enumerate(levels):
        squares = [w for w, h, density in level if w == h and density == 1]
        middle = 4 * stride * 2**place
        assert any(middle / 1.2 <= w <= middle * 1.2 for w in squares)
