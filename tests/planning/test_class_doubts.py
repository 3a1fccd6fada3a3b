"""Rare classes by counting on paper, exchanged ones from looks by hand and from phantoms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from bodies import AFFINE, SHAPE, mri_head

from lesionseg.datasets.phantom.cohort import draw_scan
from lesionseg.datasets.phantom.variants import Variant
from lesionseg.lesion_classes import ONE_CLASS, named_classes
from lesionseg.lesion_kinds import LesionKinds
from lesionseg.planning.class_counts import unvalidated_words
from lesionseg.planning.class_doubts import exchanged_classes, rare_classes
from lesionseg.planning.doubts import doubt_lines
from lesionseg.planning.scan_look import ClassLook, ScanLook, look_at
from lesionseg.reading.foreground import find_foreground
from lesionseg.reading.lesion_ids import label_lesions
from lesionseg.reading.scans import LoadedScan
from lesionseg.structures import Grid

TWO = named_classes({"core": [1], "oedema": [2]})
PATIENTS = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}


def test_a_class_of_one_patient_and_one_of_none_are_told_for_the_whole_folder():
    three = named_classes({"core": [1], "oedema": [2], "cyst": [3]})
    loads = {"a1": (3, 1, 0), "a2": (0, 2, 0), "b1": (1, 0, 0), "c1": (0, 0, 0)}
    found = list(rare_classes(three, loads, PATIENTS))
    assert [(one.case, one.severity, one.text) for one in found] == [
        ("", "warning", "class oedema has lesions in 1 of 3 patients: it can be in one part alone"),
        ("", "warning", "class cyst has no lesion in 3 patients: nothing can be learnt of it"),
    ]
    assert doubt_lines(found, 4) == [one.text for one in found]


def test_classes_of_two_patients_and_a_single_class_are_not_rare():
    loads = {"a1": (1, 0), "a2": (0, 1), "b1": (1, 1), "c1": (0, 0)}
    assert list(rare_classes(TWO, loads, PATIENTS)) == []
    assert list(rare_classes(ONE_CLASS, {"a1": (0,)}, PATIENTS)) == []
    assert list(rare_classes(TWO, {}, {})) == []


def test_a_class_without_lesions_in_validation_is_told():
    loads = {"a": (4, 0), "b": (1, 0)}
    (line,) = unvalidated_words(TWO, loads)
    assert line == (
        "class oedema has no lesion in the 2 validation scans: its thresholds are those of all "
        "classes together"
    )
    assert unvalidated_words(TWO, loads | {"c": (0, 1)}) == ()
    assert unvalidated_words(TWO, {}) == ()
    assert unvalidated_words(ONE_CLASS, {"a": (0,)}) == ()


def slow_contrast(image, lesion, near):
    """Mean of a lesion less that of the voxels of `near` at most two steps along axes from it."""
    inside = [tuple(place) for place in np.argwhere(lesion)]
    steps = [s for s in product(range(-2, 3), repeat=3) if sum(map(abs, s)) <= 2]
    reached = {tuple(np.add(one, step)) for one in inside for step in steps}
    ring = [place for place in reached if near[place]]
    return np.mean([image[one] for one in inside]) - np.mean([image[one] for one in ring])


def test_contrasts_are_medians_over_lesions_of_how_far_each_differs_from_what_surrounds_it():
    """Three lesions of class 1, one of them in a hole, and one of class 3 inside one of class 2."""
    image = mri_head()[0].astype(np.float32)
    ids = np.zeros(SHAPE, np.int32)
    for lesion, place in enumerate(((12, 28, 25), (46, 28, 25), (29, 12, 25)), 1):
        ids[tuple(slice(p, p + 2) for p in place)] = lesion
    image[ids == 1] += 200
    image[ids == 2] += 320
    image[ids == 3] = np.nan
    ids[27:33, 40:46, 22:28], ids[29:31, 42:44, 24:26] = 4, 5
    image[ids == 5] -= 150
    inside = np.array([0, 0, 0, 0, 0, 4], np.int32)
    kinds = LesionKinds(np.array([0, 1, 1, 1, 2, 3], np.int32), inside)
    scan = LoadedScan("c", (image,), ids, AFFINE, Grid(SHAPE, AFFINE), kinds=kinds)
    look = look_at(scan, find_foreground((image,), AFFINE, ["mri"], "c"))
    low, _, high, _ = look.channels[0].levels
    each = {n: slow_contrast(image, ids == n, ids == (4 if n == 5 else 0)) for n in (1, 2, 4, 5)}
    expected = np.array([(each[1] + each[2]) / 2, each[4], each[5]]) / ((high - low) / 4)
    assert [(one.number, one.lesions) for one in look.classes] == [(1, 2), (2, 1), (3, 1)]
    assert np.ravel([one.contrasts for one in look.classes]) == pytest.approx(expected, abs=1e-3)


def looks_of(differences, shifts=(0.0, 0.3, -0.2, 0.1, -0.4, 0.2)):
    """Scans of two channels in which class 2 is brighter than class 1 by so much in the second;
    the head of each scan is brighter or darker as a whole."""
    return {
        f"s{n}": ScanLook(
            (), classes=(ClassLook(1, 4, (1.0, shift)), ClassLook(2, 3, (1.0, shift + more)))
        )
        for n, (more, shift) in enumerate(zip(differences, shifts, strict=True))
    }


def test_two_classes_that_differ_the_other_way_round_in_one_scan():
    looks = looks_of([2.0, 1.8, 2.2, 1.7, 2.1, -1.9])
    (found,) = exchanged_classes(looks, TWO)
    assert (found.case, found.severity, found.kind) == ("s5", "warning", "classes exchanged")
    assert found.text == (
        "classes core (4 lesions) and oedema (3 lesions) look exchanged: their intensities differ "
        "the other way round than in the other 5 scans with both"
    )


@pytest.mark.parametrize(
    "differences",
    [
        [2.0, 1.8, 2.2, 1.7, 2.1, 1.9],
        [2.0, 1.8, 2.2, 1.7, 2.1, 0.1],  # unlike the others, and not the other way round
        [0.2, 0.1, 0.3, 0.2, 0.1, -0.4],  # the classes look alike
        [2.0, -1.8, 2.2, -1.7, 2.1, -1.9],  # no usual way
    ],
)
def test_scans_of_which_nothing_can_be_said(differences):
    assert list(exchanged_classes(looks_of(differences), TWO)) == []


def test_fewer_than_five_scans_with_both_classes_are_not_compared():
    looks = looks_of([2.0, 1.8, 2.2, 1.7, 2.1, -1.9])
    looks["s0"] = ScanLook((), classes=looks["s0"].classes[:1])
    assert [one.case for one in exchanged_classes(looks, TWO)] == ["s5"]
    looks["s1"] = ScanLook((), classes=looks["s1"].classes[1:])
    assert list(exchanged_classes(looks, TWO)) == []


FOUR = named_classes({"active": [1], "inactive": [2], "fresh": [3], "cystic": [4]})
# medians of 56 phantom scans, in FLAIR and T1; over scans they spread by 0.06 to 0.14
USUAL = np.array([[0.82, 0.33], [0.77, -0.30], [0.77, 0.07], [-0.58, -0.30]])


def cohort(profile, spread, num_scans, rng, heavy=False, order=None):
    """Scans whose contrasts lie around a profile; the last with its classes in another order."""
    found = {}
    for scan in range(num_scans):
        noise = rng.standard_t(3, profile.shape) if heavy else rng.normal(size=profile.shape)
        contrasts = profile + spread * noise + rng.normal(0, 0.3, profile.shape[1])
        if order is not None and scan == num_scans - 1:
            contrasts = contrasts[list(order)]
        looks = tuple(ClassLook(n, 3, tuple(one)) for n, one in enumerate(contrasts, 1))
        found[f"s{scan}"] = ScanLook((), classes=looks)
    return found


@pytest.mark.parametrize("order", [(1, 2, 3, 0), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)])
def test_four_exchanged_classes_of_one_scan_in_six_are_found(order):
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(40):
        found = list(exchanged_classes(cohort(USUAL, 0.12, 6, rng, order=order), FOUR))
        assert {one.case for one in found} <= {"s5"}
        hits += bool(found)
    assert hits >= 38
    assert found[0].text == (
        "classes active (3 lesions), inactive (3 lesions), fresh (3 lesions) and cystic "
        "(3 lesions) look exchanged: each has the intensities that another of them has in 5 other "
        "scans"
    )


def test_two_of_four_classes_that_are_exchanged_are_named():
    rng = np.random.default_rng(1)
    (found,) = exchanged_classes(cohort(USUAL, 0.05, 6, rng, order=(1, 0, 2, 3)), FOUR)
    assert found.text == (
        "classes active (3 lesions) and inactive (3 lesions) look exchanged: their intensities "
        "differ the other way round than in 5 other scans"
    )


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("num_scans", [5, 6, 12])
def test_at_most_one_random_cohort_in_twenty_without_an_exchange_is_doubted(num_scans, heavy):
    """Profiles at random, from classes that hardly differ to such that are well apart."""
    rng = np.random.default_rng(2)
    alarms = []
    for _ in range(25):
        for num_classes in (2, 3, 4):
            for apart in (0.5, 1.0, 2.0):
                profile = rng.normal(0, apart, (num_classes, 2))
                looks = cohort(profile, 0.4, num_scans, rng, heavy)
                alarms.append(bool(list(exchanged_classes(looks, FOUR))))
    assert len(alarms) == 225
    assert np.mean(alarms) <= 0.05


def phantom_look(seed, exchanged=False):
    image, mask, grid = draw_scan(np.random.default_rng(seed), variant=Variant(2))
    if exchanged:
        mask = np.array([0, 2, 1], np.uint8)[mask]
    ids, kinds = label_lesions(mask, TWO)
    channels = tuple(image)
    scan = LoadedScan("c", channels, ids, grid.affine, grid, kinds=kinds)
    return look_at(scan, find_foreground(channels, grid.affine, ["mri", "mri"], "c"))


def test_mask_values_that_are_exchanged_in_one_phantom_scan():
    looks = {f"s{seed}": phantom_look(seed) for seed in range(5)}
    assert list(exchanged_classes(looks, TWO)) == []
    looks["s3"] = phantom_look(3, exchanged=True)
    assert [one.case for one in exchanged_classes(looks, TWO)] == ["s3"]
