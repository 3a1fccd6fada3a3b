"""Labels and channels of a folder: what is taken for lesions, and what is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from layout_trees import nnunet_with_labels as nnunet

from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.errors import UsageError
from lesionseg.lesion_kinds import IGNORED
from lesionseg.reading.masks import class_numbers, lesion_mask
from lesionseg.structures import Volume


def test_nnunet_takes_channels_and_labels_from_the_folder(tmp_path):
    labels = {"background": 0, "nodule": 1, "mass": [2, 3], "ignore": 9}
    root = nnunet(tmp_path, {"0": "CT"}, labels)
    dataset = find_scans(load_card("nnunet"), root, patient="^b[0-9]+")
    assert [(c.name, c.modality) for c in dataset.channels] == [("CT", "ct")]
    assert dataset.labels.known == {1, 2, 3}
    assert dataset.labels.ignored == {9}
    assert "voxels of value 9 are ignored" in dataset.found
    assert dataset.labels.lesions == {1, 2, 3}
    assert dataset.scans[0].patient == "b1"


def test_voxels_of_the_label_ignore_are_neither_lesion_nor_background(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0, "lesion": 1, "ignore": 2})
    labels = find_scans(load_card("nnunet"), root).labels
    array = np.array([[[0, 1, 1]]], np.uint8)
    assert lesion_mask(Volume(array, np.eye(4)), labels, "a").sum() == 2
    array[0, 0, 2] = 2
    assert lesion_mask(Volume(array, np.eye(4)), labels, "a").tolist() == [[[False, True, False]]]
    assert class_numbers(Volume(array, np.eye(4)), labels, "a").tolist() == [[[0, 1, IGNORED]]]


def test_where_some_labels_say_lesion_and_others_do_not_they_are_asked_for(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0, "liver": 1, "tumour": 2})
    with pytest.raises(UsageError, match=r"labels liver, tumour, some .* \(tumour\) .*=\[tumour\]"):
        find_scans(load_card("nnunet"), root)
    dataset = find_scans(None, root, lesions=["tumour"])
    assert (dataset.labels.lesions, dataset.labels.known) == ({2}, {1, 2})
    assert dataset.card.reading.lesions == ("tumour",)
    with pytest.raises(UsageError, match=r"\['spleen'\] are not among \['liver', 'tumour'\]"):
        find_scans(None, root, lesions=["spleen"])


@pytest.mark.parametrize("names", [("edema", "core", "enhancing tumour"), ("abnormal",)])
def test_labels_that_all_say_lesion_and_one_alone_are_lesions_and_are_named(tmp_path, names):
    labels = {"background": 0, **{name: n for n, name in enumerate(names, 1)}}
    dataset = find_scans(None, nnunet(tmp_path, {"0": "T2"}, labels))
    assert dataset.labels.lesions == set(range(1, len(names) + 1))
    words = ", ".join(f"{name} ({n})" for n, name in enumerate(names, 1))
    kinds = "lesions" if len(names) == 1 else f"{len(names)} classes of lesions"
    assert f"labels taken as {kinds}: {words}" in dataset.found


@pytest.mark.parametrize("names", [("brain", "abnormal"), ("liver", "HCC"), ("ed", "et", "ncr")])
def test_where_none_of_several_labels_says_lesion_they_are_asked_for(tmp_path, names):
    labels = {"background": 0, **{name: n for n, name in enumerate(names, 1)}}
    root = nnunet(tmp_path, {"0": "T2"}, labels)
    with pytest.raises(
        UsageError, match=rf"{', '.join(names)}, none .*data\.lesions=\[{names[-1]}"
    ):
        find_scans(None, root)
    dataset = find_scans(None, root, lesions=names[1:])
    assert dataset.labels.lesions == set(range(2, len(names) + 1))
    assert f"lesions: {names[1]} (2)" in dataset.found


def test_a_card_that_fixes_channels_refuses_a_folder_with_others(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0, "lesion": 1})
    with pytest.raises(UsageError, match=r"has channels \['T2'\].*wants \['FLAIR', 'T1'\]"):
        find_scans(load_card("phantom"), root)


def test_a_folder_whose_masks_are_listed_has_no_other_mask(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0, "lesion": 1})
    with pytest.raises(UsageError, match=r"layout 'nnunet' has its masks in dataset\.json"):
        find_scans(None, root, mask="lesion")


def test_a_folder_without_lesion_labels_is_refused(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0})
    with pytest.raises(UsageError, match="no label is a lesion"):
        find_scans(load_card("nnunet"), root)
