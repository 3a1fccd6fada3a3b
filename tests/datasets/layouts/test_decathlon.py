"""Medical Segmentation Decathlon folders, made by hand of empty files."""

from __future__ import annotations

import pytest
from layout_trees import MSD, MSD_FILES, tree

from lesionseg.datasets.layouts import read_decathlon
from lesionseg.errors import NoInputError, UsageError


def test_channels_are_the_volumes_of_one_file(tmp_path):
    layout = read_decathlon(tree(tmp_path, *MSD_FILES, dataset=MSD))
    assert layout.channels == ("FLAIR", "T1w")
    assert layout.labels == {"edema": (1,), "core": (2,)}
    first, last = layout.scans
    image = tmp_path / "imagesTr/BRATS_001.nii.gz"
    assert (first.case, first.split, first.images) == ("BRATS_001", "train", (image, image))
    assert first.volumes == (0, 1)
    assert first.mask == tmp_path / "labelsTr/BRATS_001.nii.gz"
    assert first.paths == (image, first.mask)
    assert (last.case, last.split, last.mask) == ("BRATS_009", "test", None)
    assert list(layout.rejected) == ["BRATS_002"]
    assert "mask labelsTr/BRATS_002.nii.gz is missing" in layout.rejected["BRATS_002"]


def test_with_one_channel_the_file_is_the_channel(tmp_path):
    layout = read_decathlon(tree(tmp_path, *MSD_FILES, dataset=MSD | {"modality": {"0": "CT"}}))
    assert layout.scans[0].volumes == ()
    assert layout.scans[0].images == (tmp_path / "imagesTr/BRATS_001.nii.gz",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training": [{"image": "../x.nii.gz", "label": "y"}]}, "leaves the data folder"),
        ({"training": [{"image": "a.nii.gz", "label": "/etc/y"}]}, "leaves the data folder"),
        ({"test": ["../../x.nii.gz"]}, "leaves the data folder"),
        ({"training": [{"image": "a.nii.gz"}]}, "entry 0 of train lacks 'label'"),
        ({"training": "all"}, "lacks its list 'training'"),
        ({"training": [3]}, "entry 0 of train lacks"),
        ({"labels": {"1": {}}}, "lacks or garbles"),
    ],
)
def test_what_is_no_decathlon_is_refused(tmp_path, change, words):
    with pytest.raises(UsageError, match=words):
        read_decathlon(tree(tmp_path, dataset=MSD | change))


def test_an_empty_list_is_no_input(tmp_path):
    with pytest.raises(NoInputError, match="lists no training scan"):
        read_decathlon(tree(tmp_path, dataset=MSD | {"training": [], "test": []}))
