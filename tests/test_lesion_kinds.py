"""Lesions of several classes, some inside others, read from one volume of ids."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.lesion_kinds import IGNORED, LesionKinds, kinds_of, of_one_class

# lesion 1 (class 1) holds 2 (class 2), which holds 3 (class 3); 4 is of class 1 alone
NESTED = LesionKinds(np.array([0, 1, 2, 3, 1], np.int32), np.array([0, 0, 1, 2, 0], np.int32))
IDS = np.array([[0, 1, 2, 3, IGNORED, 4]], np.int32)


def test_a_voxel_belongs_to_every_lesion_around_it():
    assert NESTED.of_class(IDS, 1).tolist() == [[0, 1, 1, 1, 0, 4]]
    assert NESTED.of_class(IDS, 2).tolist() == [[0, 0, 2, 2, 0, 0]]
    assert NESTED.of_class(IDS, 3).tolist() == [[0, 0, 0, 3, 0, 0]]
    layers = list(NESTED.layers(IDS))
    assert len(layers) == 3
    assert layers[0].tolist() == [[0, 1, 1, 1, 0, 4]]


def test_lesions_apart_lie_in_one_layer_without_what_nobody_judged():
    apart = LesionKinds(np.array([0, 1, 2, 1, 2], np.int32), np.zeros(5, np.int32))
    (layer,) = apart.layers(IDS)
    assert layer.tolist() == [[0, 1, 2, 3, 0, 4]]
    assert apart.of_class(IDS, 2).tolist() == [[0, 0, 2, 0, 0, 4]]
    assert apart.numbers == (1, 2)


def test_kinds_come_from_a_table_or_are_of_one_class():
    table = {2: {"class": 2.0, "inside": 1.0}, 1: {"class": 1.0, "inside": 0.0}}
    found = kinds_of(table)
    assert found.classes.tolist() == [0, 1, 2]
    assert found.inside.tolist() == [0, 0, 1]
    assert kinds_of({}).numbers == ()
    one = of_one_class(np.array([0, 3, IGNORED], np.int32))
    assert one.classes.tolist() == [0, 0, 0, 1]
    assert not one.nested


@pytest.mark.parametrize("inside", [[0, 1, 0], [0, 2, 1], [0, 0, 3], [0, 0, -1], [0, 2, 0]])
def test_a_lesion_inside_itself_or_what_is_not_there_is_refused(inside):
    with pytest.raises(ValueError, match="is said to lie inside"):
        LesionKinds(np.array([0, 1, 2], np.int32), np.array(inside, np.int32))
