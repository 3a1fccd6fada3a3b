"""What perfect boxes and masks reach, by how a RoI is read and its mask is coded."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.models.mask_rcnn import ceiling as ceiling_module
from lesionseg.models.mask_rcnn.ceiling import (
    CANVAS,
    CODINGS,
    DIAMETERS_PX,
    ceiling,
    ceiling_table,
    disc_sides,
    draw_discs,
)

ROI_OPS = ("align", "pool", "resize")


def reached(diameter, roi_op="align", coding="exact", num=60, seed=0):
    return ceiling(diameter, roi_op=roi_op, coding=coding, cells=28, num=num, seed=seed)


@pytest.mark.parametrize("diameter", [2, 3, 4, 6, 8, 10, 16, 24])
def test_exact_coding_loses_nothing_at_any_place(diameter):
    """Boxes off by up to half a pixel a side, discs anywhere between pixels."""
    assert ceiling_module.JITTER_PX == 0.5
    assert min(reached(diameter, seed=seed) for seed in range(3)) >= 0.9995


@pytest.mark.parametrize(
    ("diameter", "dice"), [(2, 0.46), (3, 0.62), (4, 0.73), (6, 0.81), (10, 0.89)]
)
def test_stock_coding_caps_dice_though_boxes_are_perfect(monkeypatch, diameter, dice):
    """The figures measured of a common detection library, boxes and mask head perfect."""
    monkeypatch.setattr(ceiling_module, "JITTER_PX", 0.0)
    assert reached(diameter, coding="stock", num=200) == pytest.approx(dice, abs=0.05)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("roi_op", ["pool", "resize"])
def test_rounding_boxes_to_cells_loses_most_where_lesions_are_smallest(roi_op, coding):
    found = {diameter: reached(diameter, roi_op, coding) for diameter in (2, 4, 10, 24)}
    aligned = {diameter: reached(diameter, "align", coding) for diameter in found}
    lost = {diameter: aligned[diameter] - found[diameter] for diameter in found}
    assert min(lost[4], lost[10]) > 0  # at 2 px stock coding has lost half by itself
    if coding == "exact":
        assert lost[2] > 0.4
        assert lost[4] > 0.25
        assert lost[10] > 0.1
        assert lost[2] > lost[4] > lost[10] > lost[24]


def test_pooling_loses_more_than_resizing_the_cells_around_a_box():
    for diameter in (2, 4, 10):
        assert reached(diameter, "pool") < reached(diameter, "resize") < reached(diameter)


class Given:
    """Draws what it is given: offsets of the discs' centres from the canvas's."""

    def __init__(self, *offsets):
        self.offsets = np.array(offsets, float).reshape(-1, 2, 1, 1)

    def uniform(self, low, high, shape):
        assert (low, high, shape) == (-2, 2, self.offsets.shape)
        return self.offsets


@pytest.mark.parametrize(
    ("diameter", "offset", "pixels"),
    [
        (2, (0, 0), [(31, 31), (31, 32), (32, 31), (32, 32)]),  # centres at .7 of the four
        (2, (0.5, 0.5), [(31, 32), (32, 31), (32, 32), (32, 33), (33, 32)]),  # at a centre: a cross
        (1.9, (0.5, 0.5), [(32, 32)]),
        (2, (0.5, 0), [(32, 31), (32, 32)]),  # the first offset is along rows
        (0.2, (0.1, 0.2), [(32, 32)]),  # between four centres, nearest to one
    ],
)
def test_a_small_disc_by_hand(diameter, offset, pixels):
    (disc,) = draw_discs(diameter, 1, Given(offset))
    assert disc.shape == (CANVAS, CANVAS)
    assert [tuple(place) for place in np.argwhere(disc).tolist()] == pixels


def test_discs_have_the_area_of_their_diameter_and_differ_in_place():
    discs = draw_discs(16, 50, np.random.default_rng(0))
    assert discs.sum(axis=(1, 2)).mean() == pytest.approx(np.pi * 64, rel=0.02)
    assert len({disc.tobytes() for disc in discs}) == 50
    assert not discs[:, [0, -1]].any()


def test_sides_of_discs_are_within_a_pixel_of_their_diameter():
    sides = disc_sides((4, 20), 30)
    assert sides.shape == (60, 2)
    assert np.abs(sides[:30] - 4).max() <= 1
    assert np.abs(sides[30:] - 20).max() <= 1
    assert len(np.unique(sides[:30])) > 1


def test_the_table_has_a_row_a_diameter_and_a_column_a_way():
    rows = ceiling_table(14, num=3)
    assert [row["diameter_px"] for row in rows] == list(DIAMETERS_PX)
    ways = [f"{roi_op}, {coding}" for coding in CODINGS for roi_op in ROI_OPS]
    for row in rows:
        assert list(row)[1:] == ways
        assert all(0 <= row[way] <= 1 for way in ways)
    way = {"roi_op": "pool", "coding": "exact"}
    assert rows[2]["pool, exact"] == ceiling(4, **way, cells=14, num=3)


@pytest.mark.parametrize("wrong", [{"roi_op": "warp"}, {"coding": "float"}])
def test_an_unknown_way_is_refused(wrong):
    with pytest.raises(ValueError, match="want"):
        reached(4, **wrong)
