"""MRI or CT where nobody says it: by name, else by a look into an image."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from lesionseg.datasets.cards.fields import Channel
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.modalities import with_modalities


def scan(tmp_path, *images):
    paths = []
    for number, image in enumerate(images):
        paths.append(tmp_path / f"{number}.nii")
        if image is None:
            paths[-1].write_bytes(b"no image")
        else:
            nib.save(nib.Nifti1Image(image.astype(np.float32), np.eye(4)), paths[-1])
    return ScanFiles("c", "p", "train", tuple(paths), None)


BODY = np.zeros((12, 12, 12), bool)
BODY[3:9, 3:9] = True
CT, MRI, Z_SCORED = np.where(BODY, 40, -1000), np.where(BODY, 400, 3), np.where(BODY, 1.5, -9)


@pytest.mark.parametrize(
    ("name", "image", "modality"),
    [
        ("NCCT", MRI, "ct"),  # the name counts; what does not fit is said by the check
        ("brain_CT", MRI, "ct"),
        ("FLAIR", CT, "mri"),
        ("imaging", CT, "ct"),
        ("imaging", MRI, "mri"),
        ("channel_0000", Z_SCORED, "mri"),
        ("volume", None, "mri"),
    ],
)
def test_the_name_says_it_or_the_image(tmp_path, name, image, modality):
    (found,) = with_modalities([Channel(name=name, modality="mri")], [scan(tmp_path, image)])
    assert (found.name, found.modality) == (name, modality)


def test_each_channel_is_looked_at_and_an_unreadable_image_gives_way_to_the_next(tmp_path):
    channels = [Channel(name=name, modality="mri") for name in ("a", "b")]
    for folder in ("1", "2"):
        (tmp_path / folder).mkdir()
    scans = [scan(tmp_path / "1", None, None), scan(tmp_path / "2", MRI, CT)]
    assert [one.modality for one in with_modalities(channels, scans)] == ["mri", "ct"]
    assert [one.modality for one in with_modalities(channels, [])] == ["mri", "mri"]
