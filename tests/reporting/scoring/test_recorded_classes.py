"""Which lesion classes a report is of: those of labels, or those that the predictions name."""

import pytest
from class_cohort import NESTED, TWO, case_of, classes_of, predict, reference_of_two

from lesionseg.errors import UsageError
from lesionseg.reporting import ScoringOptions
from lesionseg.reporting.scoring.recorded_classes import with_predicted_classes


def with_classes(tmp_path, *records, **options):
    files = {
        f"net{i}": predict(tmp_path / f"net{i}", "a", reference_of_two(), record)
        for i, record in enumerate(records)
    }
    case = case_of(tmp_path, reference_of_two(), files)
    return with_predicted_classes([case], ScoringOptions(**options))


def test_without_labels_those_of_the_masks_are_taken(tmp_path):
    options, (note,) = with_classes(tmp_path, classes_of(TWO), None)
    assert options.labels == TWO
    assert note == (
        "the masks of net0 are of the lesion classes core (1, 3), oedema (2); they are scored by "
        "class"
    )
    options, _ = with_classes(tmp_path / "r", classes_of(NESTED, written=(2, 1), regions=True))
    assert options.classes.regions


def test_masks_of_one_class_ask_for_nothing(tmp_path):
    options, notes = with_classes(tmp_path, classes_of({"tumour": (2,)}, written=(2,)))
    assert options.labels is None
    assert notes == []


def test_a_model_of_one_class_scored_as_another_is_said(tmp_path):
    record = classes_of({"tumour": (2,)}, written=(2,))
    _, notes = with_classes(tmp_path, record, labels={"lesion": (1,)})
    assert notes == [
        "the masks of net0 are of the class tumour (2); they are scored as lesion (1), as labels "
        "says"
    ]
    assert with_classes(tmp_path / "same", record, labels={"lesion": (2,)})[1] == []


@pytest.mark.parametrize(
    ("records", "options", "said"),
    [
        (
            [classes_of(TWO)],
            {"labels": (1, 2, 3)},
            "labels are 1 (1), 2 (2), 3 (3), and the masks of net0 are of core (1, 3), oedema (2)",
        ),
        (
            [classes_of(TWO)],
            {"labels": (2,)},
            "labels are lesion (2), and the masks of net0 are of core (1, 3), oedema (2)",
        ),
        (
            [classes_of(TWO), classes_of({"core": (1,), "oedema": (2, 3)})],
            {},
            "the masks of net0 are of core (1, 3), oedema (2), those of net1 of core (1), oedema "
            "(2, 3); report models of the same lesion classes",
        ),
        ([classes_of(TWO)], {"instances": True}, "instances=true says that mask values are"),
        ([classes_of({"a": (1,), "b": (1,)})], {}, "a.json has lesion_classes that cannot be"),
    ],
)
def test_masks_of_other_classes_are_refused(tmp_path, records, options, said):
    with pytest.raises(UsageError) as caught:
        with_classes(tmp_path, *records, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_order_of_classes_and_values_makes_no_other_classes(tmp_path):
    turned = {"oedema": (2,), "core": (3, 1)}
    options, notes = with_classes(tmp_path, classes_of(turned, written=(2, 3)), labels=TWO)
    assert options.labels == TWO
    assert notes == []
