"""Lesions found and measured, against slow loops."""

import numpy as np
import pytest
from scipy import ndimage

from lesionseg.components import (
    component_scores,
    label_components,
    lesion_measures,
    peak_scores,
    pieces_in_slice,
    present_ids,
    relabelled,
)

AFFINE = np.array([[0, -2, 0, 5], [1, 0, 0.5, -3], [0, 0, 4, 9], [0, 0, 0, 1.0]])


def flooded(mask, reach):
    """Components by flooding from each voxel in turn. reach: most axes that may differ at once."""
    steps = np.argwhere(np.ones((3, 3, 3))) - 1
    steps = [step for step in steps if 0 < np.abs(step).sum() <= reach]
    ids, number = np.zeros(mask.shape, int), 0
    for start in map(tuple, np.argwhere(mask)):
        if ids[start]:
            continue
        number += 1
        waiting = [start]
        while waiting:
            place = waiting.pop()
            inside = all(0 <= a < n for a, n in zip(place, mask.shape))
            if inside and mask[place] and not ids[place]:
                ids[place] = number
                waiting += [tuple(place + step) for step in steps]
    return ids


@pytest.mark.parametrize(("connectivity", "reach"), [(6, 1), (18, 2), (26, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_components_are_numbered_as_they_are_met(connectivity, reach, order):
    mask = np.zeros((13, 12, 11), np.uint8, order=order)
    mask[2:11, 1:10, 3:] = np.random.default_rng(0).random((9, 9, 8)) < 0.15
    expected = flooded(mask, reach)
    ids = label_components(mask * 255, connectivity)
    assert expected.max() > 5
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_single_voxels_in_a_row_are_lesions_of_their_own(axis, connectivity):
    row = np.moveaxis(np.array([1, 0, 1, 0, 1]).reshape(5, 1, 1), 0, axis)
    assert label_components(row, connectivity).ravel().tolist() == [1, 0, 2, 0, 3]


@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 4, 5)])
def test_without_lesions_there_is_nothing(shape):
    none = np.zeros(shape, np.int32)
    assert not label_components(none).any()
    assert label_components(none).shape == shape
    assert lesion_measures(none, AFFINE) == {}
    assert peak_scores(none, none.astype(float)) == {}


def test_measures_of_each_id_against_a_loop():
    ids = np.random.default_rng(1).integers(0, 5, (6, 5, 4)).astype(np.int32)
    ids[ids == 3] = 9  # ids may have gaps
    table = lesion_measures(ids, AFFINE)
    assert list(table) == [1, 2, 4, 9]
    for lesion, found in table.items():
        places = np.argwhere(ids == lesion)
        volume = len(places) * 8.0  # |det| = 2 * 1 * 4
        assert found["volume_mm3"] == pytest.approx(volume)
        assert found["diameter_mm"] == pytest.approx((6 * volume / np.pi) ** (1 / 3))
        centre = AFFINE @ [*places.mean(axis=0), 1]
        assert [found[f"centroid_{a}_mm"] for a in "ras"] == pytest.approx(list(centre[:3]))


@pytest.mark.parametrize("largest", [9, 2_000_000_000])
def test_a_peak_is_the_largest_value_inside(largest):
    rng = np.random.default_rng(2)
    ids, probability = rng.integers(0, 4, (5, 5, 5)).astype(np.int32), rng.random((5, 5, 5))
    ids[ids == 3] = largest
    expected = {i: probability[ids == i].max() for i in (1, 2, largest)}
    assert peak_scores(ids, probability) == expected


def test_a_lesion_is_scored_by_its_peak_its_mean_or_its_mass():
    rng = np.random.default_rng(4)
    ids, probability = rng.integers(0, 4, (5, 5, 5)).astype(np.int32), rng.random((5, 5, 5))
    ids[ids == 2] = 7
    inside = {i: probability[ids == i] for i in (1, 3, 7)}
    expected = {
        "peak": {i: own.max() for i, own in inside.items()},
        "mean": {i: own.mean() for i, own in inside.items()},
        "mass": {i: own.sum() / (own.sum() + 10) for i, own in inside.items()},
    }
    for how, scores in expected.items():
        assert component_scores(ids, probability, how) == pytest.approx(scores)
        assert component_scores(np.zeros_like(ids), probability, how) == {}
    doubled = component_scores(ids, probability, "mass", voxel_mm3=2.0)
    assert doubled[3] == pytest.approx(2 * inside[3].sum() / (2 * inside[3].sum() + 10))


def test_peaks_that_tie_are_told_apart_by_mean_and_mass():
    probability = np.zeros((9, 9, 9), np.float32)
    probability[1:3, 1, 1], probability[5:8, 5, 5] = 1.0, [1.0, 0.6, 0.6]
    ids = label_components(probability > 0)
    peak, mean, mass = (component_scores(ids, probability, how) for how in ("peak", "mean", "mass"))
    assert peak[1] == peak[2] == 1
    assert mean[1] > mean[2]
    assert mass[1] < mass[2]


def test_a_piece_stands_in_its_tight_box():
    image = np.zeros((6, 7), np.int32)
    image[1, 2] = image[2, 3] = 4  # diagonal neighbours are one piece
    image[5, 0] = 4
    image[2, 4] = 7  # touches, but is another lesion
    found = {(lesion, corner): mask.tolist() for lesion, mask, corner in pieces_in_slice(image)}
    assert found == {
        (4, (1, 2)): [[True, False], [False, True]],
        (4, (5, 0)): [[True]],
        (7, (2, 4)): [[True]],
    }


RANK = {6: 1, 18: 2, 26: 3}


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize(
    "shape", [(12, 1, 1), (1, 30, 1), (7, 9, 1), (1, 8, 8), (2, 2, 40), (6, 7, 8)]
)
def test_components_are_those_of_scipy(shape, connectivity):
    """Every other voxel of a thin array is as many components as there can be."""
    checker = np.indices(shape).sum(axis=0) % 2 == 0
    sparse = np.random.default_rng(0).random(shape) < 0.3
    apart = np.all(np.indices(shape) % 2 == 0, axis=0)
    for mask in (checker, sparse, apart, np.zeros(shape, bool), np.ones(shape, bool)):
        found = label_components(mask, connectivity)
        structure = ndimage.generate_binary_structure(3, RANK[connectivity])
        wanted, num = ndimage.label(mask, structure)
        assert found.max(initial=0) == num
        pairs = set(zip(found.ravel().tolist(), wanted.ravel().tolist()))
        assert len(pairs) == num + (not mask.all())  # one number of ours for each of scipy's
        assert found.dtype == np.int32


def test_another_connectivity_is_refused():
    with pytest.raises(ValueError, match="connectivity is 8"):
        label_components(np.ones((3, 3, 3), bool), 8)


def test_ids_are_replaced_one_by_one_and_background_stays():
    ids = np.zeros((4, 5, 6), np.int32)
    ids[1, 2, 3], ids[2, 2, 2], ids[3, 4, 5] = 1, 2, 3
    found = relabelled(ids, np.array([9, 5, 0, 7], np.int32))
    assert {tuple(map(int, place)): int(found[tuple(place)]) for place in np.argwhere(found)} == {
        (1, 2, 3): 5,
        (3, 4, 5): 7,
    }
    assert found.dtype == np.int32
    assert not relabelled(np.zeros((2, 2, 2), np.int32), np.array([0], np.int32)).any()


def test_the_ids_that_are_present_are_told_without_what_is_ignored():
    ids = np.array([[[0, 3], [-1, 3]], [[7, 0], [0, 1]]], np.int32)
    assert present_ids(ids).tolist() == [1, 3, 7]
    assert present_ids(np.zeros((2, 2, 2), np.int32)).tolist() == []
