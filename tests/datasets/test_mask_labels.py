"""What mask values mean: classes, regions, organs and what nobody judged."""

from __future__ import annotations

import json

import pytest

from lesionseg.datasets.layouts.dataset_json import read_dataset_json
from lesionseg.datasets.mask_labels import (
    labels_by_class,
    labels_by_name,
    lesion_words,
    with_ignored,
    with_organ,
)
from lesionseg.errors import UsageError
from lesionseg.planning.class_counts import refuse_absent_classes

BRATS = {"whole tumour": (1, 2, 3), "tumour core": (2, 3), "enhancing tumour": (3,)}


def test_each_lesion_label_is_a_class():
    found = labels_by_name({"core lesion": (1,), "oedema lesion": (2,), "ignore": (3,)})
    assert found.classes.names == ("core lesion", "oedema lesion")
    assert found.known == {1, 2}
    assert found.ignored == {3}
    assert not found.classes.regions


def test_labels_that_share_values_are_regions_written_by_their_order():
    found = labels_by_name(BRATS, order=(1, 2, 3))
    assert found.classes.regions
    assert [one.written for one in found.classes.classes] == [1, 2, 3]
    core = labels_by_name(BRATS, ["tumour core", "enhancing tumour"], order=(1, 2, 3))
    assert [one.written for one in core.classes.classes] == [2, 3]
    assert core.known == {1, 2, 3}
    assert "2 regions inside one another" in lesion_words(BRATS, core)


def test_regions_that_cannot_be_are_refused_in_one_line():
    with pytest.raises(UsageError, match="comes before tumour core"):
        labels_by_name(dict(reversed(BRATS.items())))
    with pytest.raises(UsageError, match="regions_class_order has 2 values for 3 labels"):
        labels_by_name(BRATS, order=(1, 2))
    with pytest.raises(UsageError, match="would be written as 3, which marks enhancing"):
        labels_by_name(BRATS, order=(3, 2, 1))


def test_classes_are_spelled_out_over_labels():
    labels = {"liver": (1,), "tumour": (2,), "cyst": (3,), "ignore": (4,)}
    found = labels_by_class({"any": (2, 3)}, labels, regions=False)
    assert found.lesions == {2, 3}
    assert found.known == {1, 2, 3}
    assert found.ignored == {4}
    with pytest.raises(UsageError, match=r"classes name the values \[7\], the labels have"):
        labels_by_class({"any": (7,)}, labels, regions=False)
    with pytest.raises(UsageError, match=r"a \(2\) and b \(2, 3\) share 2"):
        labels_by_class({"a": (2,), "b": (2, 3)}, labels, regions=False)


def test_a_value_has_one_meaning():
    found = labels_by_class({"a": (2,)}, {}, regions=False)
    assert with_organ(found, [1]).known == {1, 2}
    assert with_ignored(found, [9]).ignored == {9}
    for change in (with_organ, with_ignored):
        with pytest.raises(UsageError, match=r"values \[2\] are lesions and"):
            change(found, [2])
    with pytest.raises(UsageError, match=r"values \[9\] are ignored and organ"):
        with_organ(with_ignored(found, [9]), [9])


def test_dataset_json_says_the_order_of_regions(tmp_path):
    content = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, **{k: list(v) for k, v in BRATS.items()}, "ignore": 4},
        "regions_class_order": [1, 2, 3],
        "file_ending": ".nii.gz",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert read_dataset_json(tmp_path, "a folder").order == (1, 2, 3)
    for bad in (["a"], [1.5], 3, [True]):
        (tmp_path / "dataset.json").write_text(json.dumps(content | {"regions_class_order": bad}))
        with pytest.raises(UsageError, match="lacks or garbles"):
            read_dataset_json(tmp_path, "a folder")


def test_a_class_without_training_lesions_is_refused():
    classes = labels_by_name({"core lesion": (1,), "oedema lesion": (2,)}).classes
    refuse_absent_classes(classes, {"a": (1, 0), "b": (0, 2)})
    with pytest.raises(UsageError, match="no lesion of class oedema lesion in the 2 train"):
        refuse_absent_classes(classes, {"a": (1, 0), "b": (3, 0)})
    one = labels_by_name({"lesion": (1,)}).classes
    refuse_absent_classes(one, {"a": (0,)})
