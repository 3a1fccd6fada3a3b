"""What is probably wrong with scans and masks, told from bodies and lesions made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bodies import (
    AFFINE,
    SHAPE,
    abdomen_ct_with_table,
    chest_ct,
    ellipsoid,
    mri_head,
    skull_stripped,
)

from lesionseg.datasets.dataset import Channel
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.doubts import doubt_lines, doubts, scan_doubts
from lesionseg.planning.scan_look import look_at
from lesionseg.reading.foreground import find_foreground
from lesionseg.reading.scans import LoadedScan
from lesionseg.structures import Grid

MRI = (Channel(name="FLAIR", modality="mri"),)
CT = (Channel(name="NCCT", modality="ct"),)


PLACES = ((40, 38, 33), (37, 36, 30), (41, 35, 32))


def with_lesions(image):
    """An image with three bright lesions off the middle, and where they are."""
    lesions = np.any([ellipsoid(place, (1.5, 1.5, 1.5)) for place in PLACES], axis=0)
    return np.where(lesions, image + 200, image).astype(np.float32), lesions


def look(image, lesions, channels=MRI):
    images = image if isinstance(image, tuple) else (image,)
    ids = lesions.astype(np.int32)
    scan = LoadedScan("c", images, ids, AFFINE, Grid(SHAPE, AFFINE), kinds=of_one_class(ids))
    modalities = [channel.modality for channel in channels]
    return look_at(scan, find_foreground(images, AFFINE, modalities, "c"))


def kinds(found):
    return sorted({(one.case, one.severity, one.kind) for one in found})


@pytest.mark.parametrize("made", [mri_head, skull_stripped])
def test_a_good_scan_raises_no_doubt(made):
    image, lesions = with_lesions(made()[0])
    assert kinds(scan_doubts("c", look(image, lesions), MRI)) == []


@pytest.mark.parametrize("made", [chest_ct, abdomen_ct_with_table])
def test_ct_that_is_declared_as_mri(made):
    image, lesions = with_lesions(made()[0])
    assert kinds(scan_doubts("c", look(image, lesions, CT), CT)) == []
    found = scan_doubts("c", look(image, lesions), MRI)
    assert kinds(found) == [("c", "error", "CT declared as MRI")]


def test_ct_that_is_not_in_hounsfield_units():
    image, lesions = with_lesions(abdomen_ct_with_table()[0] + 1024)
    found = scan_doubts("c", look(image, lesions, CT), CT)
    assert ("c", "error", "not in Hounsfield units") in kinds(found)


def test_air_brighter_than_the_body():
    image, lesions = with_lesions(mri_head()[0])
    found = scan_doubts("c", look(800 - image, lesions), MRI)
    assert kinds(found) == [("c", "warning", "inverted contrast")]


def test_a_mask_in_the_air():
    image, _ = with_lesions(mri_head()[0])
    found = scan_doubts("c", look(image, ellipsoid((4, 4, 4), (2, 2, 2))), MRI)
    assert ("c", "error", "mask beside the image") in kinds(found)


def test_a_stray_voxel_in_the_air_among_lesions_that_are_right():
    image, lesions = with_lesions(mri_head()[0])
    ids = lesions.astype(np.int32)
    ids[2, 2, 2] = 2
    scan = LoadedScan("c", (image,), ids, AFFINE, Grid(SHAPE, AFFINE), kinds=of_one_class(ids))
    found = scan_doubts("c", look_at(scan, find_foreground((image,), AFFINE, ["mri"], "c")), MRI)
    assert kinds(found) == [("c", "warning", "lesions in the air")]


@pytest.mark.parametrize(
    ("axis", "words"), [(0, "left to right"), (1, "front to back"), (2, "head")]
)
def test_a_mask_that_is_turned_over_along_an_axis(axis, words):
    image, lesions = with_lesions(mri_head()[0])
    (found,) = scan_doubts("c", look(image, np.flip(lesions, axis)), MRI)
    assert found.kind == "mask turned over"
    assert f"turned {words}" in found.text


def test_a_mask_beside_its_lesions_is_not_called_turned_over():
    image, lesions = with_lesions(mri_head()[0])
    assert kinds(scan_doubts("c", look(image, np.roll(lesions, 6, axis=1)), MRI)) == []


def looks_of(count, changed):
    """Scans of two channels of different contrast; `changed` makes the last one."""
    found = {}
    for seed in range(count):
        head, _, _ = mri_head()
        bright = np.where(ellipsoid((29, 40, 25), (8, 8, 12)), head * 1.8, head)
        dark = np.where(ellipsoid((29, 16, 25), (8, 8, 12)), head * 1.5, head)
        noise = np.random.default_rng(seed).normal(0, 20, SHAPE)
        images = (bright + noise, dark + noise)
        if seed == count - 1:
            images = changed(*images)
        images = tuple(one.astype(np.float32) for one in images)
        found[f"s{seed}"] = look(images, np.zeros(SHAPE, bool), TWO)
    return found


TWO = (Channel(name="FLAIR", modality="mri"), Channel(name="T1", modality="mri"))


def test_channels_that_were_swapped_in_one_scan():
    assert doubts(looks_of(6, lambda a, b: (a, b)), TWO) == []
    (found,) = doubts(looks_of(6, lambda a, b: (b, a)), TWO)
    assert (found.case, found.kind) == ("s5", "channels swapped")


def test_a_contrast_against_that_of_the_others():
    def inverted(one, other):
        return np.where(mri_head()[1], 1500 - one, 0), other

    alone = {
        case: dataclasses.replace(made, channels=made.channels[:1])
        for case, made in looks_of(6, inverted).items()
    }
    (found,) = doubts(alone, MRI)
    assert (found.case, found.kind) == ("s5", "another contrast")
    assert found.text.startswith("FLAIR: its contrast is unlike that of the other scans")


def test_a_cohort_is_told_in_one_line_a_kind():
    image, lesions = with_lesions(mri_head()[0])
    turned = look(image, lesions[::-1])
    looks = {f"s{n}": turned for n in range(3)} | {"good": look(image, lesions)}
    bright = dataclasses.replace(turned.channels[0], border=1e4)
    looks["odd"] = dataclasses.replace(looks["good"], channels=(bright,))
    lines = doubt_lines(doubts(looks, MRI), len(looks))
    assert len(lines) == 2
    assert lines[0].startswith("mask turned over in 3 of 5 scans, as in s0: lesions differ")
    assert lines[1].startswith("inverted contrast in 1 of 5 scans, as in odd: FLAIR")
