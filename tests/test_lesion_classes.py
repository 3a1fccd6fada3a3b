"""What marks each lesion class in a mask, and which sets of classes cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.lesion_classes import ONE_CLASS, classes_from, named_classes
from lesionseg.lesion_kinds import written_values

BRATS = {"whole": [1, 2, 3], "core": [1, 3], "enhancing": [3]}


def test_a_value_is_of_its_class() -> None:
    classes = named_classes({"core": [1, 3], "oedema": [2]})
    assert classes.class_of_value == {1: 1, 3: 1, 2: 2}
    assert classes.values == {1, 2, 3}
    assert [one.written for one in classes.classes] == [1, 2]
    assert classes.inside == (0, 0)
    assert classes.enclosing(2) == (2,)


def test_a_value_of_nested_regions_is_of_the_innermost() -> None:
    classes = named_classes(BRATS, regions=True)
    assert classes.class_of_value == {2: 1, 1: 2, 3: 3}
    assert classes.inside == (0, 1, 2)
    assert classes.enclosing(3) == (3, 2, 1)
    assert [one.written for one in classes.classes] == [2, 1, 3]


def test_what_lies_inside_a_region_and_folders_of_classes():
    classes = named_classes(BRATS, regions=True)
    assert classes.within(1) == (1, 2, 3)
    assert classes.within(3) == (3,)
    assert named_classes({"big core/x": [1], "b": [2]}).folders == ("big_core_x", "b")
    assert named_classes({"a b": [1], "a/b": [2]}).folders == ("1_a_b", "2_a_b")


def test_regions_may_lie_apart() -> None:
    classes = named_classes({"a": [1, 2], "b": [3, 4], "inside_b": [4]}, regions=True)
    assert classes.inside == (0, 0, 2)
    assert classes.enclosing(3) == (3, 2)


def test_written_values_can_be_given() -> None:
    classes = named_classes({"whole": [1, 2], "core": [2]}, regions=True, written=[1, 2])
    assert [one.written for one in classes.classes] == [1, 2]


def test_one_class_is_the_value_one() -> None:
    assert ONE_CLASS.names == ("lesion",)
    assert ONE_CLASS.class_of_value == {1: 1}
    assert ONE_CLASS.as_data == {
        "regions": False,
        "classes": [{"name": "lesion", "values": [1], "written": 1}],
    }
    nested = named_classes(BRATS, regions=True)
    assert classes_from(nested.as_data) == nested


@pytest.mark.parametrize(
    ("values", "regions", "words"),
    [
        ({}, False, "no class is named"),
        ({"missed": [1]}, False, "a class is named 'missed'; want a name in one line"),
        ({"a ": [1]}, False, "a class is named 'a '"),
        ({"a\nb": [1]}, False, "want a name in one line"),
        ({"a": [1], "b": [2]}, True, "none of these holds all values of another"),
        ({"a": []}, False, "want values from 1"),
        ({"a": [0]}, False, "want values from 1"),
        ({"a": [1], "b": [1, 2]}, False, r"a \(1\) and b \(1, 2\) share 1"),
        ({"core": [1], "whole": [1, 2]}, True, r"core \(1\) comes before whole \(1, 2\)"),
        ({"a": [1, 2], "b": [2, 3]}, True, "cross"),
        ({"a": [1, 2], "b": [2, 1]}, True, "cross"),
    ],
)
def test_classes_that_cannot_be_are_refused(
    values: dict[str, list[int]], regions: bool, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        named_classes(values, regions=regions)


def test_a_class_is_written_by_a_value_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"b \(2\) would be written as 1, which marks a"):
        named_classes({"a": [1], "b": [2]}, written=[1, 1])
    with pytest.raises(ValueError, match=r"whole \(1, 2\) would be written as 1, which marks a"):
        named_classes({"whole": [1, 2], "a": [1], "b": [2]}, regions=True)


def test_numbers_become_the_values_that_are_written() -> None:
    classes = named_classes({"core": [3], "rest": [7, 2]})
    written = written_values(np.array([0, 1, 2, -1]), classes, ignored=9)
    assert written.tolist() == [0, 3, 7, 9]
    assert written.dtype == np.uint8
