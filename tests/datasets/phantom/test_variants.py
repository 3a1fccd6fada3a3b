"""Phantoms with classes, cores and ignored shadows; the plain one stays as it was."""

from __future__ import annotations

import functools
import hashlib
import json

import cc3d
import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from lesionseg.datasets.layouts.name_kinds import kind_of
from lesionseg.datasets.phantom.cohort import draw_scan, write_cohort
from lesionseg.datasets.phantom.variants import Variant
from lesionseg.errors import UsageError
from lesionseg.settings.data import PhantomSettings
from lesionseg.settings.messages import checked

TINY = {"num_train": 1, "num_test": 0, "size": 0.3}
CUBE = np.ones((3, 3, 3))


@functools.cache
def scan(seed=9, size=0.8, **variant):
    """A head with 28 lesions, where nothing else is asked for."""
    image, mask, _ = draw_scan(np.random.default_rng(seed), size=size, variant=Variant(**variant))
    return image.astype(float), mask


def contrasts(image, region):
    """How much brighter each part of a mask is than the shell around it, relative to that."""
    parts = cc3d.connected_components(region, connectivity=26)
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        wide = tuple(slice(max(side.start - 4, 0), side.stop + 4) for side in box)
        part, values = parts[wide] == number, image[wide]
        shell = ndimage.binary_dilation(part, CUBE, 3) & ~ndimage.binary_dilation(part, CUBE)
        found.append(values[part].mean() / np.median(values[shell & ~region[wide]]) - 1)
    return np.array(found)


def test_the_plain_cohort_is_the_one_that_it_was(tmp_path):
    write_cohort(tmp_path, PhantomSettings(num_train=2, num_test=0, seed=3, size=0.3))
    # measured before there were variants; of the images, means, since another processor's last
    # bits may round a voxel the other way
    card = hashlib.sha256((tmp_path / "dataset.json").read_bytes()).hexdigest()
    assert card[:16] == "17671c5c69b7282f"
    for case, mask_hash, means in (
        ("phantom_train000", "3d646ec18549bd80", (159.031173, 233.849605)),
        ("phantom_train001", "04ef50e04f91c56e", (144.760649, 169.678686)),
    ):
        mask = np.asarray(nib.load(tmp_path / f"labelsTr/{case}.nii.gz").dataobj)
        assert mask.any()
        assert hashlib.sha256(mask.astype(np.uint8).tobytes()).hexdigest()[:16] == mask_hash
        for number, mean in enumerate(means):
            image = nib.load(tmp_path / f"imagesTr/{case}_{number:04d}.nii.gz").get_fdata()
            assert image.mean() == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(
    "variant", [{"classes": 4}, {"nested": True}, {"classes": 2, "ignored": True}]
)
def test_a_variant_differs_from_the_plain_head_at_lesions_and_shadows_alone(variant):
    plain, without = scan()
    image, mask = scan(**variant)
    assert mask.shape == without.shape
    near = ndimage.binary_dilation((mask > 0) | (without > 0), CUBE, 5)
    assert near.mean() < 0.5
    np.testing.assert_array_equal(image[:, ~near], plain[:, ~near])
    assert (image != plain).any()


def test_two_classes_look_alike_in_flair_and_differ_in_t1():
    image, mask = scan(classes=2)
    flair = [np.median(contrasts(image[0], mask == number)) for number in (1, 2)]
    t1 = [np.median(contrasts(image[1], mask == number)) for number in (1, 2)]
    assert min(flair) > 0.2
    assert flair[0] == pytest.approx(flair[1], abs=0.08)
    assert t1[0] > 0.05
    assert t1[1] < -0.05


def test_of_four_classes_each_looks_in_one_channel_like_another():
    image, mask = scan(classes=4)
    flair = [np.median(contrasts(image[0], mask == number)) for number in (1, 2, 3, 4)]
    t1 = [np.median(contrasts(image[1], mask == number)) for number in (1, 2, 3, 4)]
    assert min(flair[:3]) > 0.2
    assert max(flair[:3]) - min(flair[:3]) < 0.1
    assert flair[3] < -0.1
    assert t1[0] > 0.1
    assert t1[2] == pytest.approx(0, abs=0.04)
    assert max(t1[1], t1[3]) < -0.05
    assert t1[1] == pytest.approx(t1[3], abs=0.08)


def test_classes_are_as_frequent_as_each_other_and_of_the_same_sizes():
    _, mask = scan(classes=2)
    parts = [cc3d.connected_components(mask == k, connectivity=26, return_N=True) for k in (1, 2)]
    counts = [count for _, count in parts]
    assert sum(counts) >= 25
    assert abs(counts[0] - counts[1]) <= 3
    medians = [np.median(np.bincount(labels.ravel())[1:]) for labels, _ in parts]
    assert 0.5 < medians[0] / medians[1] < 2


def test_some_lesions_of_two_classes_touch_face_to_face():
    _, mask = scan(classes=2)
    active = ndimage.binary_dilation(mask == 1)  # by faces
    assert (active & (mask == 2)).sum() >= 3
    _, plain = scan()
    assert (mask > 0).sum() == pytest.approx((plain > 0).sum(), rel=0.05)


def test_the_smallest_head_still_has_every_class():
    _, mask = scan(seed=1, size=0.3, classes=4)
    assert set(np.unique(mask)) == {0, 1, 2, 3, 4}


def test_cores_lie_inside_lesions_and_are_darker():
    image, mask = scan(nested=True)
    _, plain = scan()
    np.testing.assert_array_equal(mask > 0, plain > 0)  # the whole is the lesion that it was
    lesions, count = cc3d.connected_components(mask > 0, connectivity=26, return_N=True)
    with_core = set(np.unique(lesions[mask == 2]))
    assert 2 <= len(with_core) < count  # small ones have none
    for number in with_core:
        share = (mask[lesions == number] == 2).mean()
        assert 0.2 < share < 0.5
    assert image[1][mask == 2].mean() < image[1][mask == 1].mean() - 20
    assert image[0][mask == 2].mean() < image[0][mask == 1].mean()


def test_shadows_are_fainter_than_lesions_and_apart_from_them():
    image, mask = scan(classes=2, ignored=True)
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    around = ndimage.binary_dilation(mask == 3, CUBE)
    assert not (around & np.isin(mask, (1, 2))).any()
    shadows = contrasts(image[0], mask == 3)
    assert len(shadows) == 4
    lesions = contrasts(image[0], (mask > 0) & (mask < 3))
    assert 0.02 < np.median(shadows) < np.median(lesions)
    _, mask, _ = draw_scan(
        np.random.default_rng(0), clean=True, size=0.3, variant=Variant(ignored=True)
    )
    assert set(np.unique(mask)) == {0, 2}


@pytest.mark.parametrize(
    ("variant", "labels", "order"),
    [
        (
            {"classes": 2, "ignored": True},
            {"background": 0, "active lesion": 1, "inactive lesion": 2, "ignore": 3},
            None,
        ),
        (
            {"nested": True, "ignored": True},
            {"background": 0, "whole lesion": [1, 2], "lesion core": [2], "ignore": 3},
            [1, 2],
        ),
        ({"ignored": True}, {"background": 0, "lesion": 1, "ignore": 2}, None),
    ],
)
def test_dataset_json_names_the_values_as_nnunet_has_them(tmp_path, variant, labels, order):
    write_cohort(tmp_path, PhantomSettings(**TINY, **variant))
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert content["labels"] == labels
    assert content.get("regions_class_order") == order
    assert list(content["labels"]) == list(labels)
    mask = nib.load(next((tmp_path / "labelsTr").iterdir()))
    assert mask.dataobj[:].max() == max(np.max(values) for values in labels.values())


def test_names_of_classes_say_lesion_so_that_a_reader_need_not_ask():
    names = [*Variant(4).dataset_json["labels"], *Variant(nested=True).dataset_json["labels"]]
    assert len(names) == 8
    assert {kind_of(name) for name in names if name != "background"} == {"lesion"}


def test_a_cohort_of_another_variant_is_made_anew_and_the_same_is_kept(tmp_path):
    write_cohort(tmp_path, PhantomSettings(**TINY))
    image = next(tmp_path.rglob("*_0000.nii.gz"))
    for variant in ({"classes": 2}, {"classes": 4}, {"ignored": True}, {"nested": True}, {}):
        image.write_bytes(b"of another")
        write_cohort(tmp_path, PhantomSettings(**TINY, **variant))
        assert image.read_bytes() != b"of another"
        image.write_bytes(b"kept")
        write_cohort(tmp_path, PhantomSettings(**TINY, **variant))
        assert image.read_bytes() == b"kept"


def test_cores_of_classes_are_refused():
    with pytest.raises(UsageError, match=r"nested=true with data\.phantom\.classes=2; want cores"):
        checked(PhantomSettings, {"nested": True, "classes": 2}, "data.phantom")
    with pytest.raises(UsageError, match=r"data\.phantom\.classes is 3; want 1, 2 or 4"):
        checked(PhantomSettings, {"classes": 3}, "data.phantom")
