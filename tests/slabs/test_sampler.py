"""The stream of slabs: even over lesions, independent of its past, the same for every model."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.sampling import SamplingRule
from lesionseg.slabs.sampler import SlabSampler, lesion_groups
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, Grid

STILL = AugmentationRule(flip=0, spatial=0, intensity=0)


def make(name, ids, slab_axis=2, steps=(1, 1, 1)):
    """A case whose two channels are the row and the column of its slices, 0.. along each."""
    ids = np.asarray(ids, np.int32)
    rows, columns = (axis for axis in range(3) if axis != slab_axis)
    place = np.indices(ids.shape)
    affine = np.diag([*steps, 1.0])
    return Case(
        name=name,
        patient=name,
        image=np.stack([place[rows], place[columns]]).astype(np.float16),
        lesion_ids=ids,
        affine=affine,
        slab_axis=slab_axis,
        original=Grid(ids.shape, affine),
        channels=("row", "column"),
        lesions={int(i): {"volume_mm3": 1.0, "class": 1, "inside": 0} for i in np.unique(ids) if i},
    )


def layered(slab_axis=2):
    """Ten lesions in slices 1, 3, ... 19: the first fills a 20 x 20 square, the others a voxel."""
    ids = np.zeros((20, 60, 60), np.int32)
    ids[1, 20:40, 20:40] = 1
    for lesion in range(2, 11):
        ids[2 * lesion - 1, 5 * lesion, 55 - 4 * lesion] = lesion
    return np.moveaxis(ids, 0, slab_axis)


def sampler(cases, seed=0, augmentation=STILL, k=0, **rule):
    rule = SamplingRule.model_construct(**({"size": 24, "batch_size": 8} | rule))
    return SlabSampler(cases, SlabRule(k, 1.0), rule, augmentation, seed)


def draw(stream, num_batches):
    return [slab for index in range(num_batches) for slab in stream.batch(index)]


def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other):
        assert (a.case, a.index) == (b.case, b.index)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.lesion_ids, b.lesion_ids)


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
def test_lesions_are_picked_evenly_whatever_their_size(slab_axis):
    """Of 480 slabs each of the ten lesions has 48; the first has 98 % of the lesion voxels."""
    slabs = draw(sampler([make("a", layered(slab_axis), slab_axis)], lesion_fraction=1.0), 60)
    assert all(slab.lesion_ids.any() for slab in slabs)
    counts = np.bincount([slab.index for slab in slabs], minlength=20)
    assert counts[::2].sum() == 0
    assert 25 < counts[1::2].min() <= counts[1::2].max() < 75


def test_the_slices_of_a_lesion_are_picked_evenly():
    ids = np.zeros((40, 40, 12), np.int32)
    ids[20, 20, 2:8] = 1
    slabs = draw(sampler([make("a", ids)], lesion_fraction=1.0), 60)
    counts = np.bincount([slab.index for slab in slabs], minlength=12)
    assert counts[:2].sum() == counts[8:].sum() == 0
    assert 50 < counts[2:8].min() <= counts[2:8].max() < 115


def test_a_lesion_is_seen_at_many_places_of_the_window():
    ids = np.zeros((60, 60, 3), np.int32)
    ids[30, 30, 1] = 1
    slabs = draw(sampler([make("a", ids)], lesion_fraction=1.0), 60)
    places = np.array([np.argwhere(slab.lesion_ids)[0] for slab in slabs])
    assert places.min() >= 2
    assert places.max() <= 21
    assert (np.ptp(places, axis=0) >= 15).all()


def test_the_share_of_slabs_with_a_lesion_is_as_asked():
    cases = [make("a", layered()), make("clean", np.zeros((60, 60, 200)))]
    for fraction in (0.0, 0.5, 1.0):
        slabs = draw(sampler(cases, lesion_fraction=fraction), 60)
        share = np.mean([slab.lesion_ids.any() for slab in slabs])
        assert share == pytest.approx(fraction, abs=0.12)


def test_slabs_without_aim_are_even_over_slices_and_reach_every_corner():
    slabs = draw(sampler([make("a", np.zeros((30, 30, 5)))], lesion_fraction=0.0), 60)
    counts = np.bincount([slab.index for slab in slabs], minlength=5)
    assert 60 < counts.min() <= counts.max() < 135
    seen = np.zeros((30, 30), bool)
    for slab in slabs:
        rows, columns = slab.image.astype(int)
        seen[rows, columns] = True
    assert seen.all()


def test_only_cases_without_lesions():
    slabs = draw(sampler([make("a", np.zeros((30, 30, 5))), make("b", np.zeros((9, 50, 1)))]), 10)
    assert {slab.case for slab in slabs} == {"a", "b"}
    assert not any(slab.lesion_ids.any() for slab in slabs)
    assert {slab.image.shape for slab in slabs} == {(2, 24, 24)}


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
def test_lesions_lie_where_the_image_says(slab_axis):
    """Rows and columns are read off the image; lesions are there and nowhere else."""
    ids = layered(slab_axis)
    stacked = np.moveaxis(ids, slab_axis, 0)
    slabs = draw(sampler([make("a", ids, slab_axis)], size=40), 6)
    num_outside = 0
    for slab in slabs:
        rows, columns = slab.image.astype(int)
        inside = np.zeros(rows.shape, bool)  # replicated pixels say a neighbour's place
        inside[:-1, :-1] = (np.diff(rows, axis=0)[:, :-1] == 1) & (np.diff(columns)[:-1] == 1)
        expected = stacked[slab.index][rows, columns]
        np.testing.assert_array_equal(slab.lesion_ids[inside], expected[inside])
        num_outside += (~inside).sum()
    assert num_outside > 100


def test_a_batch_depends_on_seed_and_number_alone():
    cases = [make("a", layered()), make("b", layered())]
    rule = {"augmentation": AugmentationRule(), "k": 1, "seed": 3}
    fresh, used = sampler(cases, **rule), sampler(cases, **rule)
    for index in (0, 9, 2):
        used.batch(index)
    same(used.batch(5), fresh.batch(5))
    same(used.batch(2), fresh.batch(2))
    other = sampler(cases, **(rule | {"seed": 4})).batch(5)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(other, fresh.batch(5)))
    next_one = fresh.batch(6)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(next_one, fresh.batch(5)))


def test_cases_are_picked_evenly_and_then_their_lesions():
    """A case of one lesion is aimed at as often as one of ten."""
    one = np.zeros((40, 40, 4), np.int32)
    one[20, 20, 2] = 1
    slabs = draw(sampler([make("one", one), make("ten", layered())], lesion_fraction=1.0), 50)
    assert np.mean([slab.case == "one" for slab in slabs]) == pytest.approx(0.5, abs=0.1)


def test_lesion_numbers_may_have_gaps():
    ids = np.zeros((40, 40, 8), np.int32)
    ids[20, 20, 2], ids[10, 10, 5] = 3, 70_000
    slabs = draw(sampler([make("a", ids)], lesion_fraction=1.0), 10)
    assert {slab.index for slab in slabs} == {2, 5}
    assert {int(slab.lesion_ids.max()) for slab in slabs} == {3, 70_000}


def test_with_augmentation_the_lesion_aimed_at_is_nearly_always_in_the_window():
    ids = np.zeros((90, 90, 3), np.int32)
    ids[43:47, 43:47, 1] = 1
    stream = sampler([make("a", ids)], augmentation=AugmentationRule(), lesion_fraction=1.0)
    slabs = draw(stream, 40)
    assert np.mean([slab.lesion_ids.any() for slab in slabs]) > 0.98
    assert {slab.image.shape for slab in slabs} == {(2, 24, 24)}


def two_classes():
    """One case with nine lesions of class 1 and one of class 2, and one with class 1 alone."""
    both, alone = layered(0), layered(0)
    kinds = {lesion: 1 if lesion < 10 else 2 for lesion in range(1, 11)}
    cases = [make("both", both, 0), make("alone", alone, 0)]
    for lesion, number in kinds.items():
        cases[0].lesions[lesion]["class"] = number
    return cases


def share_of_class_two(**rule):
    """How many slabs lie in the slice of the one lesion of class 2."""
    stream = sampler(two_classes(), lesion_fraction=1.0, **rule)
    drawn = draw(stream, 100)
    return np.mean([slab.case == "both" and slab.index == 19 for slab in drawn])


def test_classes_are_drawn_alike_often():
    assert share_of_class_two(balance="classes") == pytest.approx(1 / 2, abs=0.06)
    assert share_of_class_two(balance="cases") == pytest.approx(1 / 20, abs=0.03)


def test_classes_and_sizes_are_drawn_alike_often():
    """The first lesion alone is large: three groups, of which that of class 2 is one."""
    cases = two_classes()
    for one in cases:
        one.lesions[1]["volume_mm3"] = 1000.0
    groups = lesion_groups(cases, "classes_and_sizes", (3, 5, 10))
    assert sorted(groups, key=str) == sorted(
        [{0: list(range(2, 10)), 1: list(range(2, 11))}, {0: [1], 1: [1]}, {0: [10]}], key=str
    )


def test_a_lesion_inside_another_is_found_whole_and_alone():
    ids = np.zeros((6, 30, 30), np.int32)
    ids[2:4, 5:15, 5:15], ids[3, 8:10, 8:10] = 1, 2
    one = make("one", ids, 0)
    one.lesions[2] |= {"class": 2, "inside": 1}
    stream = sampler([one], lesion_fraction=1.0)
    assert stream._read_extents(0)[1].tolist() == [[2, 4], [5, 15], [5, 15]]
    assert stream._read_extents(0)[2].tolist() == [[3, 4], [8, 10], [8, 10]]
