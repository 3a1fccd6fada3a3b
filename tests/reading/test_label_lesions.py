"""Lesion ids of several classes, of regions inside one another, and of what nobody judged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.errors import CaseError
from lesionseg.io.reading import STRICT
from lesionseg.lesion_classes import named_classes
from lesionseg.lesion_kinds import IGNORED, of_one_class
from lesionseg.reading.carrying import carry_ids, carry_kinds
from lesionseg.reading.lesion_ids import label_lesions, lesion_ids, lesion_table
from lesionseg.reading.raters import joined_raters
from lesionseg.structures import Grid, Volume

TWO = named_classes({"core": [1, 3], "oedema": [2]})
REGIONS = named_classes({"whole": [1, 2, 3], "core": [1, 3], "enhancing": [3]}, regions=True)


def line(*values):
    """A mask of one row of voxels."""
    return Volume(np.array(values, np.int16)[:, None, None], np.eye(4))


def flat(ids):
    return ids[:, 0, 0].tolist()


def test_touching_lesions_of_two_classes_are_two_and_values_of_one_class_are_one():
    ids, kinds = lesion_ids(
        line(0, 1, 3, 2, 2, 0, 2, 0), MaskLabels(frozenset({1, 2, 3}), TWO), "c"
    )
    assert flat(ids) == [0, 1, 1, 2, 2, 0, 3, 0]
    assert kinds.classes.tolist() == [0, 1, 2, 2]
    assert not kinds.nested


def test_ignored_voxels_are_no_lesion_and_part_what_lies_beside_them():
    labels = MaskLabels(frozenset({1, 2, 3}), TWO, ignored=frozenset({9}))
    ids, kinds = lesion_ids(line(1, 9, 1, 0, 9), labels, "c")
    assert flat(ids) == [1, IGNORED, 2, 0, IGNORED]
    assert kinds.classes.tolist() == [0, 1, 1]
    one = MaskLabels(ignored=frozenset({9}))
    ids, _ = lesion_ids(line(1, 9, 0), one, "c")
    assert flat(ids) == [1, IGNORED, 0]
    instances = MaskLabels(None, instances=True, ignored=frozenset({9}))
    ids, _ = lesion_ids(line(4, 9, 7, 7), instances, "c")
    assert flat(ids) == [1, IGNORED, 2, 2]


def test_regions_contain_one_another():
    """Two cores in one lesion, one of them with an enhancing part; the last is core all over."""
    mask = line(2, 1, 3, 2, 1, 2, 0, 3)
    ids, kinds = lesion_ids(mask, MaskLabels(frozenset({1, 2, 3}), REGIONS), "c")
    whole, core = kinds.of_class(ids, 1), kinds.of_class(ids, 2)
    assert flat(whole) == [1, 1, 1, 1, 1, 1, 0, 2]
    assert flat(core) == [0, 3, 3, 0, 4, 0, 0, 5]
    assert flat(kinds.of_class(ids, 3)) == [0, 0, 6, 0, 0, 0, 0, 7]
    assert kinds.inside.tolist() == [0, 0, 0, 1, 1, 2, 3, 5]
    table = lesion_table(ids, kinds, np.eye(4), 2)
    assert {lesion: row["volume_mm3"] for lesion, row in table.items()} == {
        1: 6.0,
        2: 1.0,
        3: 2.0,
        4: 1.0,
        5: 1.0,
        6: 1.0,
        7: 1.0,
    }
    assert table[6]["class"] == 3
    assert table[6]["inside"] == 3


def test_random_regions_are_the_components_of_each():
    rng = np.random.default_rng(3)
    for _ in range(20):
        numbers = rng.integers(0, 4, (7, 6, 5)) * (rng.random((7, 6, 5)) > 0.4)
        ids, kinds = label_lesions(
            numbers.astype(np.int32),
            named_classes({"a": [1, 2, 3], "b": [2, 3], "c": [3]}, regions=True),
        )
        for number in (1, 2, 3):
            wanted, num = ndimage.label(numbers >= number, np.ones((3, 3, 3)))
            found = kinds.of_class(ids, number)
            pairs = set(zip(found.ravel().tolist(), wanted.ravel().tolist()))
            assert len(pairs) == num + 1  # one to one


def test_a_mask_of_probabilities_cannot_tell_classes():
    mask = Volume(np.full((3, 3, 3), 0.4, np.float32), np.eye(4))
    rule = dataclasses.replace(STRICT, mask_threshold=0.5)
    with pytest.raises(CaseError, match="fractions, which cannot say which of core, oedema"):
        lesion_ids(mask, MaskLabels(frozenset({1, 2, 3}), TWO), "c", rule=rule)


def test_a_value_that_no_class_names_is_listed_and_refused():
    with pytest.raises(CaseError, match=r"unknown labels 5, 7; want 0, 1, 2, 3"):
        lesion_ids(line(1, 5, 7), MaskLabels(frozenset({1, 2, 3}), TWO), "c")


def test_a_core_stays_inside_on_another_grid():
    numbers = np.zeros((20, 20, 6), np.int32)
    numbers[5:15, 5:15, 1:5] = 1
    numbers[8:12, 8:12, 2:4] = 2
    numbers[0, 0, 0] = IGNORED
    classes = named_classes({"whole": [1, 2], "core": [2]}, regions=True)
    ids, kinds = label_lesions(numbers, classes)
    finer = Grid((36, 36, 6), np.diag([0.55, 0.55, 1.0, 1.0]))
    carried = carry_kinds(ids, kinds, np.eye(4), finer)
    whole, core = kinds.of_class(carried, 1) > 0, kinds.of_class(carried, 2) > 0
    assert core.any()
    assert not (core & ~whole).any()
    alone = carry_ids((numbers > 0).astype(np.int32), np.eye(4), finer) > 0
    np.testing.assert_array_equal(whole, alone)
    assert carried[0, 0, 0] == IGNORED


def test_raters_agree_class_by_class():
    a, b, c = (np.array(values, np.int32) for values in ([1, 1, 2, 0], [1, 2, 2, 1], [2, 2, 1, 0]))
    joined = joined_raters({"a": a, "b": b, "c": c}, TWO, "majority")
    assert joined.numbers.tolist() == [1, 2, 2, 0]
    unjudged = {"a": np.array([-1, -1, 1]), "b": np.array([-1, 1, 1]), "c": np.array([1, 1, 0])}
    joined = joined_raters(unjudged, named_classes({"x": [1]}), "majority")
    assert joined.numbers.tolist() == [-1, 1, 1]


def test_one_class_is_numbered_as_ever():
    mask = np.random.default_rng(0).random((8, 8, 8)) > 0.97
    ids, kinds = label_lesions(mask, named_classes({"lesion": [1]}))
    assert kinds.classes.tolist() == of_one_class(ids).classes.tolist()
    assert ids.max() > 1


def test_no_lesion_is_lost_to_one_that_lies_in_another():
    """A container of one voxel beside one with a core, on many coarse grids."""
    classes = named_classes({"whole": [1, 2], "core": [2]}, regions=True)
    numbers = np.zeros((12, 12, 3), np.int32)
    numbers[3, 5, 1] = 1
    numbers[5:8, 4:7, 1] = 1
    numbers[5, 5, 1] = 2
    ids, kinds = label_lesions(numbers, classes)
    rng = np.random.default_rng(0)
    for _ in range(40):
        affine = np.diag([*rng.uniform(2, 4, 2), 1.0, 1.0])
        affine[:2, 3] = rng.uniform(0, 1, 2)
        carried = carry_kinds(ids, kinds, np.eye(4), Grid((7, 7, 3), affine))
        present = {i for layer in kinds.layers(carried) for i in np.unique(layer).tolist()}
        assert present == {0, 1, 2, 3}


@pytest.mark.parametrize("known", [frozenset({1}), None])
def test_an_ignored_255_is_no_binary_mask(known):
    labels = MaskLabels(known, ignored=frozenset({255}))
    ids, kinds = lesion_ids(line(0, 255, 255, 0), labels, "c")
    assert flat(ids) == [0, IGNORED, IGNORED, 0]
    assert kinds.numbers == ()
