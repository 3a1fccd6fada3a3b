"""Augmentation on images whose values are their own coordinates, so that every move can be read."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.slabs.augmentation import augment

STILL = AugmentationRule(flip=0, spatial=0, intensity=0)
TURNED = AugmentationRule(flip=0, spatial=1, intensity=0, rotation_degrees=20, scale=1.2)


def coordinates(side):
    """Image (2, side, side): the column and the row of each pixel; ids: a number of its own."""
    row, column = np.indices((side, side))
    image = np.stack([column, row]).astype(np.float32)
    return image, (1 + row * side + column).astype(np.int32)


def read_side(size, rule):
    return int(np.ceil(size * rule.reach / 2)) * 2


def turned(seed, size=24, rule=TURNED):
    side = read_side(size, rule)
    image, ids = coordinates(side)
    return *augment(image, ids, size, 1, rule, np.random.default_rng(seed)), side


@pytest.mark.parametrize(("side", "size"), [(30, 24), (24, 24), (31, 24), (40, 7)])
def test_without_any_chance_the_centre_is_cut_out(side, size):
    image, ids = coordinates(side)
    moved, moved_ids = augment(image, ids, size, 1, STILL, np.random.default_rng(0))
    start = (side - size) // 2
    box = slice(start, start + size)
    np.testing.assert_array_equal(moved, image[:, box, box])
    np.testing.assert_array_equal(moved_ids, ids[box, box])
    assert (STILL.reach, moved.dtype, moved_ids.dtype) == (1.0, np.float32, np.int32)


def test_flips_turn_image_and_ids_alike_and_each_axis_by_itself():
    image, ids = coordinates(6)
    rule = AugmentationRule(flip=0.5, spatial=0, intensity=0)
    seen = set()
    for seed in range(40):
        moved, moved_ids = augment(image, ids, 6, 1, rule, np.random.default_rng(seed))
        column, row = moved
        np.testing.assert_array_equal(moved_ids, 1 + row * 6 + column)
        flipped = bool(row[0, 0] == 5), bool(column[0, 0] == 5)
        expected = image[:, :: -1 if flipped[0] else 1, :: -1 if flipped[1] else 1]
        np.testing.assert_array_equal(moved, expected)
        seen.add(flipped)
    assert len(seen) == 4


@pytest.mark.parametrize("size", [24, 25])
def test_after_rotation_and_scale_each_id_is_that_of_the_nearest_pixel_shown(size):
    for seed in range(20):
        moved, ids, side = turned(seed, size)
        assert moved.shape == (2, size, size)
        assert ids.shape == (size, size)
        column, row = moved
        unsure = (np.abs(moved % 1 - 0.5) < 1e-3).any(axis=0)
        nearest = 1 + np.rint(row) * side + np.rint(column)
        assert unsure.mean() < 0.1
        np.testing.assert_array_equal(ids[~unsure], nearest[~unsure])


def test_the_move_is_a_rotation_and_a_scale_about_the_centre_within_their_ranges():
    angles, zooms = [], []
    for seed in range(300):
        moved, _, side = turned(seed)
        offset = np.arange(24) - 11.5
        y, x = np.meshgrid(offset, offset, indexing="ij")
        design = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
        fit, *_ = np.linalg.lstsq(design, moved.reshape(2, -1).T, rcond=None)
        np.testing.assert_allclose(design @ fit, moved.reshape(2, -1).T, atol=2e-3)
        (a, c), (b, d), centre = fit
        np.testing.assert_allclose([a, c], [d, -b], atol=1e-4)  # a similarity, not mirrored
        np.testing.assert_allclose(centre, (side - 1) / 2, atol=1e-3)
        angles.append(np.degrees(np.arctan2(c, a)))
        zooms.append(np.hypot(a, c))
    assert -20 <= min(angles) < -17
    assert 17 < max(angles) <= 20
    assert 1 / 1.2 <= min(zooms) < 0.86
    assert 1.16 < max(zooms) <= 1.2


def test_slabs_are_enlarged_as_often_as_they_are_shrunk():
    rule = AugmentationRule(flip=0, spatial=1, intensity=0, rotation_degrees=0, scale=2)
    larger = []
    for seed in range(400):
        (column, _), _, _ = turned(seed, 8, rule)
        larger.append(column[0, 1] - column[0, 0] < 1)
    assert np.mean(larger) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(("degrees", "scale"), [(20, 1.2), (45, 1.0), (90, 1.5), (0, 1.3)])
def test_the_window_read_is_wide_enough_for_every_move(degrees, scale):
    rule = AugmentationRule(flip=0, spatial=1, intensity=0, rotation_degrees=degrees, scale=scale)
    for seed in range(60):
        moved, ids, side = turned(seed, 16, rule)
        assert ids.min() > 0
        assert moved.min() > -0.01
        assert moved.max() < side - 0.99


def test_a_move_of_nothing_is_the_plain_window():
    rule = AugmentationRule(flip=0, spatial=1, intensity=0, rotation_degrees=0, scale=1)
    image, ids = coordinates(20)
    moved, moved_ids = augment(image, ids, 12, 1, rule, np.random.default_rng(0))
    np.testing.assert_allclose(moved, image[:, 4:16, 4:16], atol=1e-4)
    np.testing.assert_array_equal(moved_ids, ids[4:16, 4:16])


def test_a_lesion_keeps_its_area_on_average_and_its_place_in_the_image():
    """A disc drawn in both: where the image says disc, the ids say it too, but for its rim."""
    side = read_side(32, TURNED)
    rows, columns = np.indices((side, side))
    distance = np.hypot(rows - side / 2 - 4, columns - side / 2 + 3)
    image = (6 - distance)[None].clip(-1, 1).astype(np.float32)
    ids = np.where(distance < 6, 7, 0).astype(np.int32)
    areas = []
    for seed in range(100):
        moved, moved_ids = augment(image, ids, 32, 1, TURNED, np.random.default_rng(seed))
        sure = np.abs(moved[0]) > 0.9
        assert sure.mean() > 0.8
        np.testing.assert_array_equal((moved_ids == 7)[sure], (moved[0] > 0)[sure])
        assert set(np.unique(moved_ids)) == {0, 7}
        areas.append((moved_ids == 7).sum())
    assert np.exp(np.log(areas).mean()) == pytest.approx(np.pi * 36, rel=0.06)


def test_intensities_leave_ids_alone_and_the_input_too():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(6, 10, 10)).astype(np.float32)
    ids = rng.integers(0, 9, (10, 10)).astype(np.int32)
    before = image.copy(), ids.copy()
    rule = AugmentationRule(flip=0, spatial=0, intensity=1)
    moved, moved_ids = augment(image, ids, 10, 3, rule, np.random.default_rng(0))
    np.testing.assert_array_equal(moved_ids, ids)
    assert np.abs(moved - image).max() > 0.05
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(ids, before[1])


def test_the_slices_of_one_scan_are_varied_alike_and_each_scan_by_itself():
    """Two channels of three slices, all six the same picture: equal within a channel only."""
    picture = np.random.default_rng(1).normal(size=(10, 10)).astype(np.float32)
    image, ids = np.stack([picture] * 6), np.zeros((10, 10), np.int32)
    rule = AugmentationRule(flip=0, spatial=0, intensity=1, noise=0)
    for seed in range(20):
        moved, _ = augment(image, ids, 10, 3, rule, np.random.default_rng(seed))
        for channel in (moved[:3], moved[3:]):
            assert (channel == channel[0]).all()
            order = picture.ravel().argsort()
            assert (np.diff(channel[0].ravel()[order]) >= 0).all()  # brighter stays brighter
        assert np.abs(moved[0] - moved[3]).max() > 1e-3


@pytest.mark.parametrize(
    ("one", "low", "high"),
    [("shift", 0.8, 1.2), ("gain", 0.8, 1.2), ("gamma", 1.0, 1.0), ("noise", 0.5, 1.5)],
)
def test_each_variation_stays_in_its_range(one, low, high):
    """On an image of ones and one pixel of zero, varied by one thing alone."""
    zero = {"shift": 0.0, "gain": 0.0, "gamma": 0.0, "noise": 0.0}
    rule = AugmentationRule(flip=0, spatial=0, intensity=1, **(zero | {one: 0.2}))
    image, ids = np.ones((1, 12, 12), np.float32), np.zeros((12, 12), np.int32)
    image[0, 0, 0] = 0
    means, spreads = [], []
    for seed in range(200):
        moved, _ = augment(image, ids, 12, 1, rule, np.random.default_rng(seed))
        means.append(moved[0, 1:].mean())
        spreads.append(moved[0, 1:].std())
    assert low - 1e-6 <= min(means) <= max(means) <= high + 1e-6
    if one in ("shift", "gain"):
        assert min(means) < 0.83
        assert max(means) > 1.17
        assert max(spreads) < 1e-5
    if one == "noise":
        assert 0.15 < max(spreads) < 0.23
        assert 60 < sum(spread > 0 for spread in spreads) < 140  # in half of the draws


def test_a_flat_channel_stays_finite():
    image, ids = np.full((3, 8, 8), -5, np.float32), np.zeros((8, 8), np.int32)
    rule = AugmentationRule(intensity=1)
    for seed in range(10):
        moved, _ = augment(image, ids, 8, 3, rule, np.random.default_rng(seed))
        assert np.isfinite(moved).all()


def test_the_same_generator_gives_the_same_slab_and_another_another():
    image, ids = coordinates(40)
    draw = [
        augment(image, ids, 24, 1, AugmentationRule(), np.random.default_rng(s)) for s in (3, 3, 4)
    ]
    np.testing.assert_array_equal(draw[0][0], draw[1][0])
    np.testing.assert_array_equal(draw[0][1], draw[1][1])
    assert not np.array_equal(draw[0][0], draw[2][0])
