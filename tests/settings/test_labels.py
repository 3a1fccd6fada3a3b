"""The lesion classes that a report's labels name."""

import pytest

from lesionseg import cli
from lesionseg.errors import UsageError
from lesionseg.settings.messages import checked
from lesionseg.settings.report import ScoringOptions


def made(**options):
    return checked(ScoringOptions, options)


def named(options):
    return {one.name: one.values for one in options.classes.classes}


def test_values_in_a_list_are_a_class_each_and_one_alone_is_lesion():
    assert named(made(labels=[1, 3])) == {"1": (1,), "3": (3,)}
    assert named(made(labels=[2])) == {"lesion": (2,)}
    assert named(made()) == {"lesion": (1,)}
    assert made().lesion_values is None


def test_names_join_several_values_in_a_class():
    options = made(labels={"core": [1, 3], "oedema": 2})
    assert named(options) == {"core": (1, 3), "oedema": (2,)}
    assert options.lesion_values == (1, 2, 3)
    assert options.known_values == {1, 2, 3}


def test_beside_one_class_any_value_may_occur_beside_several_those_known():
    assert made(labels=[2]).known_values is None
    assert made(labels=[2], known_labels=[1, 2], ignore=[4]).known_values == {1, 2, 4}
    assert made(labels=[1, 2], ignore=[4]).known_values == {1, 2, 4}
    assert made(labels=[1, 2], known_labels=[1, 2, 7]).known_values == {1, 2, 7}


def test_regions_contain_one_another():
    options = made(labels={"whole": [1, 2], "core": 2}, regions=True)
    assert options.classes.inside == (0, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": [1, 1]}, "two classes are named 1; want a name of its own for each"),
        (
            {"labels": {"a": [1, 2], "b": 2}},
            "share 2; a value is of one class, or they are regions",
        ),
        ({"labels": {"a": 2, "b": [1, 2]}, "regions": True}, "name the larger one first"),
        ({"labels": {"a": [1, 2], "b": [2, 3]}, "regions": True}, "cross; want one to contain"),
        (
            {"labels": [1, 2], "regions": True},
            "regions=true wants labels by name",
        ),
        ({"regions": True}, "regions=true wants labels by name"),
        ({"labels": [1, 2], "ignore": [2]}, "values [2] are in labels and in ignore"),
        ({"labels": [1, 2], "known_labels": [1]}, "labels [2] are not among known_labels"),
        ({"labels": {"missed": 1}}, "a class is named 'missed'; want a name in one line"),
        ({"labels": {"a": []}}, "want a list, like [2], or values by name, like {core: [1,3]"),
        ({"labels": {"": 1}}, "want a list, like [2], or values by name"),
        ({"labels": {"a": True}}, "want a list, like [2], or values by name"),
        ({"labels": [0, 1]}, "want a list, like [2], or values by name"),
        ({"labels": 3}, "labels is 3; want a list, like [2], or values by name"),
        ({"labels": [1], "instances": True}, "give one"),
    ],
)
def test_classes_that_cannot_be_are_refused_in_a_line(options, said):
    with pytest.raises(UsageError) as caught:
        made(**options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_are_typed_as_a_list_or_by_name():
    words = ["reference=a", "output=b"]
    settings = cli.compose("report", [*words, "labels={core: [1,3], oedema: 2}", "ignore=[4]"])
    assert settings.labels == {"core": (1, 3), "oedema": (2,)}
    assert settings.ignore == (4,)
    assert settings.labels_as_typed == "{core: [1,3], oedema: [2]}"
    with pytest.raises(UsageError, match="names core twice; give each a name of its own"):
        cli.compose("report", [*words, "labels={core: 1, core: 2}"])
