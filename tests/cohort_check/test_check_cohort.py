"""Copies, leaks, swaps, flips and odd ones out, in cohorts of nine with one thing wrong each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from check_cohorts import CHANNELS, channel, cohort, scan, smooth

from lesionseg.cohort_check import cohort_findings
from lesionseg.lesion_classes import named_classes
from lesionseg.planning.likeness import FINE


def found(scans):
    return {(one.case, one.severity, one.kind) for one in cohort_findings(scans, CHANNELS)}


def test_nothing_is_wrong_with_nine_scans_of_nine_heads():
    assert found(cohort()) == set()
    assert cohort_findings([], CHANNELS) == []


def test_a_patient_on_both_sides_of_the_split():
    scans = [*cohort(), scan(20, patient="p03", split="test")]
    assert found(scans) == {
        ("s03", "error", "patient in two parts"),
        ("s20", "error", "patient in two parts"),
    }


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"patient": "p04"}, "warning"),
        ({"patient": "p99"}, "error"),
        ({"patient": "p99", "split": "test"}, "error"),
    ],
)
def test_the_same_voxels_twice(changes, severity):
    copy = scan(30, channels=(channel(0, 30, voxels="v04"), channel(1, 30)), **changes)
    assert found([*cohort(), copy]) == {
        ("s04", severity, "copied scan"),
        ("s30", severity, "copied scan"),
    }


def test_a_class_that_one_patient_has_is_told_for_the_whole_folder():
    classes = named_classes({"core": [1], "oedema": [2]})
    scans = [*cohort(), scan(20, lesion_kinds=(1, 2)), scan(21, mask_voxels=None)]
    (finding,) = cohort_findings(scans, CHANNELS, classes)
    assert (finding.case, finding.kind) == ("", "class of one patient")
    assert finding.text.startswith("class oedema has lesions in 1 of 10 patients")
    scans.append(scan(22, lesion_kinds=(2,)))
    assert cohort_findings(scans, CHANNELS, classes) == []


def test_the_same_mask_on_two_heads():
    assert found([*cohort(), scan(30, mask_voxels="mask2")]) == {
        ("s02", "error", "copied mask"),
        ("s30", "error", "copied mask"),
    }
    empty = {"mask_voxels": "empty", "lesion_volumes_mm3": ()}
    assert found([scan(n, **empty) for n in range(9)]) == set()


def test_near_copies_are_told_and_follow_ups_of_one_patient_are_not():
    near = np.clip(scan(5).fine.astype(int) + smooth(77, FINE) // 12, -127, 127).astype(np.int8)
    assert found([*cohort(), scan(31, fine=near)]) == {
        ("s05", "warning", "looks like another"),
        ("s31", "warning", "looks like another"),
    }
    assert found([*cohort(), scan(31, fine=near, patient="p05")]) == set()
    (one, other) = cohort_findings([scan(5), scan(31, fine=near, split="test")], CHANNELS)
    assert "s05, s31 look alike" in one.text
    assert "both sides of the split" in other.text


def test_a_mirror_image_of_another_scan():
    assert ("s32", "warning", "mirror image of another") in found(
        [*cohort(), scan(32, fine=scan(6).fine[::-1].copy())]
    )


def test_channels_in_another_order():
    swapped = scan(7)
    look = dataclasses.replace(swapped.look, channels=swapped.look.channels[::-1])
    swapped = dataclasses.replace(swapped, look=look)
    scans = [one for one in cohort() if one.case != "s07"] + [swapped]
    (finding,) = cohort_findings(scans, CHANNELS)
    assert (finding.case, finding.severity, finding.kind) == ("s07", "error", "channels swapped")
    assert "FLAIR looks like T1, T1 looks like FLAIR" in finding.text


def test_left_and_right_flipped_where_the_others_agree():
    flipped = scan(8, fine=scan(8).fine[::-1].copy())
    scans = [one for one in cohort() if one.case != "s08"] + [flipped]
    assert found(scans) == {("s08", "warning", "left and right flipped")}
    alone = [scan(n, fine=smooth(n, FINE)) for n in range(9)]  # nothing in common
    assert found(alone) == set()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"spacing_mm": (0.5, 0.5, 3.0)}, "odd spacing"),
        ({"orientation": "LPS"}, "odd orientation"),
    ],
)
def test_odd_grids_are_rare_ones(changes, kind):
    assert found([*cohort(11), scan(40, **changes)]) == {("s40", "note", kind)}
    assert found([*cohort(), *(scan(40 + n, **changes) for n in range(2))]) == set()


def test_another_scale_of_intensities():
    look = scan(41).look
    odd = dataclasses.replace(look.channels[1], levels=(1e3, 1e4, 2e4, 2.2e4))
    scans = [*cohort(), scan(41, look=dataclasses.replace(look, channels=(look.channels[0], odd)))]
    assert found(scans) == {("s41", "note", "odd intensities")}
