"""Files of several volumes: each is a channel of the scan, none is passed over."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.io.reading import STRICT
from lesionseg.reading.scans import read_channels

VOXELS = np.random.default_rng(0).normal(500, 50, (5, 6, 7, 3)).astype(np.float32)
MAKERS = {"a.nii.gz": nib.Nifti1Image, "a.mgz": nib.MGHImage}


def scan(path, num_volumes, *channels):
    made = MAKERS[path.name](VOXELS[..., :num_volumes].squeeze(), np.eye(4))
    nib.save(made, path)
    which = tuple(range(len(channels)))
    images = (path,) * len(channels)
    return ScanFiles("c", "p", "train", images, None, volumes=which, channels=channels)


@pytest.mark.parametrize("name", MAKERS)
def test_volumes_that_are_the_channels_are_read_without_a_note(tmp_path, name):
    channels = read_channels(scan(tmp_path / name, 3, "FLAIR", "T1", "T2"))
    assert len(channels) == 3
    for index, channel in enumerate(channels):
        np.testing.assert_array_equal(channel.array, VOXELS[..., index])
        assert channel.notes == ()


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("held", [1, 3])
def test_another_number_of_volumes_than_channels_is_refused(tmp_path, name, held):
    files = scan(tmp_path / name, held, "FLAIR", "T1")
    with pytest.raises(
        CaseError, match=f"{name} holds {held} volumes, want 2: channel FLAIR, channel T1; write"
    ):
        read_channels(files)


def test_a_file_of_its_own_may_stand_beside_one_of_several_volumes(tmp_path):
    both = scan(tmp_path / "a.nii.gz", 2, "FLAIR", "T1")
    nib.save(nib.Nifti1Image(VOXELS[..., 2], np.eye(4)), tmp_path / "b.nii.gz")
    files = ScanFiles(
        "c", "p", "train", (*both.images, tmp_path / "b.nii.gz"), None, volumes=(0, 1, 0)
    )
    np.testing.assert_array_equal(read_channels(files)[2].array, VOXELS[..., 2])


@pytest.mark.parametrize("name", MAKERS)
def test_one_of_several_volumes_is_read_where_it_is_asked_for(tmp_path, name):
    scan(tmp_path / name, 3)
    rule = dataclasses.replace(STRICT, volume=1)
    files = ScanFiles("c", "p", "test", (tmp_path / name,), None, rule=rule)
    np.testing.assert_array_equal(read_channels(files)[0].array, VOXELS[..., 1])
    with pytest.raises(CaseError, match=r"several volumes .* volume=0 in lesionseg predict"):
        read_channels(dataclasses.replace(files, rule=STRICT))
    with pytest.raises(CaseError, match="has no volume 3; it holds 3, counted from 0"):
        read_channels(dataclasses.replace(files, rule=dataclasses.replace(STRICT, volume=3)))
