"""Notes about new scans that are unlike those of training, on heads made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bodies import AFFINE, SHAPE, abdomen_ct_with_table, ellipsoid, mri_head

from lesionseg.datasets.dataset import Channel
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.fingerprint import take_fingerprint
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import read_plan, write_plan
from lesionseg.planning.training_scans import training_scans
from lesionseg.planning.unlike_training import unlike_training
from lesionseg.reading.scans import LoadedScan
from lesionseg.structures import Grid, Volume

FLAIR, T1 = (Channel(name=name, modality="mri") for name in ("FLAIR", "T1"))
CT = Channel(name="CT", modality="ct")


def head(seed=0):
    """Two channels of a head: in one the front is brighter, in the other its left side."""
    image = mri_head()[0].astype(np.float32)
    x, y, _ = np.meshgrid(*(np.linspace(0, 1, n) for n in SHAPE), indexing="ij")
    noise = np.random.default_rng(seed).normal(0, 2, SHAPE)
    bright = image > image.mean()
    return [np.where(bright, image * (1 + ramp), image) + noise for ramp in (y, x)]


def plan_of(scans, channels):
    prints = [
        take_fingerprint(
            LoadedScan("c", tuple(images), None, affine, Grid(SHAPE, affine)),
            [channel.modality for channel in channels],
            "",
        )
        for images, affine in scans
    ]
    kind = {"mri": "zscore", "ct": "cohort"}
    planned = [ChannelPlan(one.name, one.modality, kind[one.modality]) for one in channels]
    return Plan(tuple(planned), 1.0, scans=training_scans(prints))


@pytest.fixture(scope="module")
def plan():
    return plan_of([(head(seed), AFFINE) for seed in range(5)], (FLAIR, T1))


def notes(plan, images, affine=AFFINE):
    return unlike_training([Volume(image, affine) for image in images], plan, "c")


def test_a_scan_like_those_of_training_has_no_note(plan):
    assert notes(plan, head(9)) == ()


def test_swapped_channels_are_noted(plan):
    first, second = head(9)
    (note,) = notes(plan, [second, first])
    assert note == (
        "channels look swapped: FLAIR looks like T1 of training, T1 looks like FLAIR of training"
    )


def test_of_few_training_scans_no_channel_is_doubted():
    few = plan_of([(head(seed), AFFINE) for seed in range(4)], (FLAIR, T1))
    assert few.scans.looks == ()
    assert notes(few, head(9)[::-1]) == ()


def test_another_contrast_is_noted():
    known = plan_of([(head(seed)[:1], AFFINE) for seed in range(5)], (FLAIR,))
    image, body = head(9)[0], mri_head()[1]
    assert notes(known, [image]) == ()
    (note,) = notes(known, [np.where(body, 1300 - image, image)])
    assert note == "FLAIR: its contrast is unlike that of the training scans (r = -1.00)"


def test_spacing_and_slices_of_another_direction_are_noted(plan):
    sizes = np.diag(AFFINE)[:3]
    thick = AFFINE @ np.diag([1, 2 * max(sizes) / sizes[1], 1, 1])
    found = notes(plan, head(9), thick)
    slab = ("sagittal", "coronal", "axial")[plan.scans.slab_axes[0]]
    assert f"its slices are coronal, those of training {slab}" in found
    (distance,) = (note for note in found if note.startswith("distance between slices"))
    known = plan.scans.slab_mm[0]
    assert distance == f"distance between slices {2 * max(sizes):.3g} mm, of training {known:g} mm"


def test_a_field_of_view_that_cuts_the_head_is_noted(plan):
    lower = [image[:, :, : SHAPE[2] // 2] for image in head(9)]
    (note,) = (note for note in notes(plan, lower) if "field of view" in note)
    size = AFFINE[2, 2]
    assert note.startswith(
        f"field of view {size * (SHAPE[2] // 2):.0f} mm foot to head, of training "
        f"{size * SHAPE[2]:.4g} mm"
    )


def test_ct_of_other_values_is_noted_and_mri_has_no_unit(plan):
    image = abdomen_ct_with_table()[0].astype(np.float32)
    known = plan_of([([image], AFFINE)], (CT,))
    assert notes(known, [image]) == ()
    bright = np.where(ellipsoid((32, 32, 32), (14, 14, 14)), 6000, image)
    assert any("CT: the 99.5th percentile" in note for note in notes(known, [bright]))
    assert notes(plan, [7 * image for image in head(9)]) == ()


def test_what_is_known_of_the_training_scans_is_kept_with_the_plan(plan, tmp_path):
    write_plan(tmp_path / "plan.yaml", plan)
    assert read_plan(tmp_path / "plan.yaml").scans == plan.scans
    assert dataclasses.replace(plan, scans=training_scans_of_one()).key == plan.key


def training_scans_of_one():
    return plan_of([(head(1), AFFINE)], (FLAIR, T1)).scans
