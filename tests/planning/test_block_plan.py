"""Blocks of a 3D network: shapes, strides and kernels worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest

from lesionseg.planning.block_plan import MOST_VOXELS, planned_levels, with_blocks
from lesionseg.planning.plan import Plan
from lesionseg.planning.training_scans import TrainingScans

SHIPPED = {
    "block_slices": "planned",
    "window_px": "planned",
    "channels": [8, 8, 8, 8, 8],
    "strides": "planned",
    "kernels": "planned",
}


def plan(slab_mm, in_plane_mm=1.0):
    return dataclasses.replace(Plan((), in_plane_mm), scans=TrainingScans(1, slab_mm=slab_mm))


def test_cubes_are_halved_along_every_axis_while_eight_voxels_are_left():
    kernels, strides = planned_levels((40, 96, 96), (1.0, 1.0, 1.0), 5)
    assert kernels == [[3, 3, 3]] * 5
    # 40 20 10 5 slices, 96 48 24 12 6 rows
    assert strides == [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2]]


def test_thick_slices_are_left_whole_until_pixels_are_as_long():
    kernels, strides = planned_levels((16, 96, 96), (4.0, 1.0, 1.0), 4)
    # pixels of 1, 2, 4 and 8 mm beside slices of 4, 4, 4 and 8: 4 and 2 mm are twice apart still
    assert kernels == [[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert strides == [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2]]


def test_an_odd_number_of_voxels_is_not_halved():
    _, strides = planned_levels((9, 32, 32), (1.0, 1.0, 1.0), 3)
    assert strides == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]


@pytest.mark.parametrize(
    ("slab_mm", "window_px", "slices"),
    [
        ((1.0, 1.0), 64, 64),  # as thick as wide
        ((2.0, 2.0), 64, 32),
        ((1.0, 4.0), 64, 32),  # the middle of 1 and 4, by their ratio, is 2
        ((10.0, 10.0), 64, 8),  # never fewer
        ((1.0, 1.0), 96, 40),  # 43 would be the most voxels: 40 is the multiple of eight below
        ((0.0, 0.0), 64, 64),  # no scan seen: cubes
    ],
)
def test_a_block_is_as_thick_as_it_is_wide_within_a_bound(slab_mm, window_px, slices):
    filled = with_blocks(SHIPPED, plan(slab_mm), window_px)
    assert (filled["block_slices"], filled["window_px"]) == (slices, window_px)
    assert slices * window_px**2 <= 1.1 * MOST_VOXELS


def test_what_is_given_stays():
    given = SHIPPED | {"block_slices": 16, "window_px": 32, "strides": [[1, 1, 1]] * 5}
    filled = with_blocks(given, plan((1.0, 1.0)), 64)
    assert filled == given | {"kernels": [[3, 3, 3]] * 5}
