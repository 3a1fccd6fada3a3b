"""Slabs out of small cases whose every voxel says where it is."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.slabs.slab import (
    SlabRule,
    Window,
    context_indices,
    plane_axes,
    read_block,
    read_slab,
    slab_shape,
)
from lesionseg.structures import Case, Grid


def make(shape=(6, 7, 8), steps=(1.0, 1.0, 1.0), slab_axis=2, channels=2, reference=True):
    """Voxel (x, y, z) of channel c holds 1000 c + 100 x + 10 y + z, its id 1 more than c = 0."""
    x, y, z = np.indices(shape)
    where = 100 * x + 10 * y + z
    affine = np.diag([*steps, 1.0])
    return Case(
        name="a",
        patient="a",
        image=np.stack([1000 * c + where for c in range(channels)]).astype(np.float16),
        lesion_ids=(where + 1).astype(np.int32) if reference else None,
        affine=affine,
        slab_axis=slab_axis,
        original=Grid(shape, affine),
        channels=tuple(f"c{c}" for c in range(channels)),
    )


def at(slab_axis, s, row, column):
    """The (x, y, z) of a slice, row and column."""
    place = [row, column]
    place.insert(slab_axis, s)
    return tuple(place)


def value(slab_axis, s, row, column):
    x, y, z = at(slab_axis, s, row, column)
    return 100 * x + 10 * y + z


@pytest.mark.parametrize(
    ("step_mm", "k", "distance_mm", "expected"),
    [
        (1.0, 1, 1.0, [29, 30, 31]),
        (1.0, 1, 3.0, [27, 30, 33]),
        (1.0, 2, 3.0, [24, 27, 30, 33, 36]),
        (0.5, 1, 3.0, [24, 30, 36]),
        (1.5, 1, 3.0, [28, 30, 32]),
        (1.2, 2, 3.0, [25, 28, 30, 32, 35]),  # 2.5 slices round to 2, 5 are 5
        (3.0, 1, 3.0, [29, 30, 31]),
        (3.0, 1, 1.0, [29, 30, 31]),  # thicker than the distance: still the next one
        (3.0, 2, 1.0, [28, 29, 30, 31, 32]),
        (5.0, 3, 2.0, [27, 28, 29, 30, 31, 32, 33]),
        (2.0, 0, 1.0, [30]),
    ],
)
def test_context_stands_at_a_distance_in_mm(step_mm, k, distance_mm, expected):
    case = make(shape=(3, 3, 60), steps=(1, 1, step_mm))
    assert context_indices(case, 30, SlabRule(k, distance_mm)).tolist() == expected


@pytest.mark.parametrize("slab_axis", [0, 1])
def test_the_distance_is_measured_along_the_slab_axis(slab_axis):
    shape, steps = [3, 3, 3], [1.0, 1.0, 1.0]
    shape[slab_axis], steps[slab_axis] = 60, 2.0
    case = make(shape=tuple(shape), steps=steps, slab_axis=slab_axis)
    assert context_indices(case, 30, SlabRule(1, 6.0)).tolist() == [27, 30, 33]


@pytest.mark.parametrize("distance_mm", [0.3, 1.0, 1.4, 2.5, 7.0])
@pytest.mark.parametrize("step_mm", [0.4, 1.0, 1.7, 3.0, 6.0])
def test_neighbours_are_always_distinct_and_as_near_to_their_distance_as_slices_allow(
    step_mm, distance_mm
):
    case = make(shape=(2, 2, 201), steps=(1, 1, step_mm))
    found = context_indices(case, 100, SlabRule(3, distance_mm))
    assert len(set(found.tolist())) == 7
    np.testing.assert_array_equal(found - 100, 100 - found[::-1])
    if distance_mm >= step_mm:
        off = np.abs(found - 100) * step_mm - np.abs(np.arange(-3, 4)) * distance_mm
        assert np.abs(off).max() <= step_mm / 2 + 1e-9


@pytest.mark.parametrize(
    ("index", "expected"), [(0, [0, 0, 2]), (1, [0, 1, 3]), (6, [4, 6, 7]), (7, [5, 7, 7])]
)
def test_beyond_the_first_and_the_last_slice_the_end_replicates(index, expected):
    assert context_indices(make(), index, SlabRule(1, 2.0)).tolist() == expected


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
def test_a_slab_stacks_images_then_slices_and_rows_are_the_first_free_axis(slab_axis):
    case = make(slab_axis=slab_axis)
    rule = SlabRule(1, 1.0)
    depth, height, width = slab_shape(case)
    rows, columns = plane_axes(case)
    assert (rows, columns) == tuple(a for a in range(3) if a != slab_axis)
    assert (depth, height, width) == tuple(case.shape[a] for a in (slab_axis, rows, columns))
    slab = read_slab(case, 3, rule)
    assert (slab.case, slab.index) == ("a", 3)
    assert slab.image.dtype == np.float32
    assert slab.lesion_ids.dtype == np.int32
    assert slab.image.shape == (rule.num_channels(2), height, width) == (6, height, width)
    for row in range(height):
        for column in range(width):
            for channel in range(2):
                for number, s in enumerate((2, 3, 4)):
                    got = slab.image[3 * channel + number, row, column]
                    assert got == 1000 * channel + value(slab_axis, s, row, column)
            assert slab.lesion_ids[row, column] == value(slab_axis, 3, row, column) + 1


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
@pytest.mark.parametrize(
    "window",
    [
        Window(1, 2, 3, 4),
        Window(-2, -3, 5, 6),
        Window(4, 5, 6, 6),
        Window(-2, -2, 14, 15),
        Window(-20, 3, 4, 4),  # nothing of the slice
        Window(3, 40, 2, 3),
    ],
)
def test_a_window_over_the_border_replicates_the_image_and_not_the_lesions(slab_axis, window):
    case = make(slab_axis=slab_axis)
    _, height, width = slab_shape(case)
    slab = read_slab(case, 0, SlabRule(1, 1.0), window)
    assert slab.image.shape == (6, window.height, window.width)
    for i in range(window.height):
        for j in range(window.width):
            row, column = window.row + i, window.column + j
            inside = 0 <= row < height and 0 <= column < width
            near = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
            slices = [value(slab_axis, s, *near) for s in (0, 0, 1)]
            want = [1000 * c + v for c in range(2) for v in slices]
            np.testing.assert_array_equal(slab.image[:, i, j], want)
            want = value(slab_axis, 0, *near) + 1 if inside else 0
            assert slab.lesion_ids[i, j] == want


def test_a_case_without_reference_has_slabs_without_ids():
    assert read_slab(make(reference=False), 2, SlabRule(1, 1.0)).lesion_ids is None


def test_reading_leaves_the_case_as_it_was():
    case = make()
    before = case.image.copy(), case.lesion_ids.copy()
    slab = read_slab(case, 2, SlabRule(0, 1.0), Window(-2, -2, 12, 12))
    slab.image[:] = -1
    slab.lesion_ids[:] = -1
    whole = read_slab(case, 2, SlabRule(0, 1.0))
    whole.image[:] = -1
    whole.lesion_ids[:] = -1
    np.testing.assert_array_equal(case.image, before[0])
    np.testing.assert_array_equal(case.lesion_ids, before[1])


def test_a_case_of_one_slice():
    slab = read_slab(make(shape=(4, 5, 1), steps=(1, 1, 6)), 0, SlabRule(2, 3.0))
    assert slab.image.shape == (10, 4, 5)
    assert (slab.image[:5] == slab.image[0]).all()


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
@pytest.mark.parametrize(("first", "depth"), [(1, 3), (-2, 4), (4, 6), (-1, 12)])
def test_a_block_has_the_lesion_ids_of_all_its_slices_and_nobody_judged_those_beyond(
    slab_axis, first, depth
):
    case = make(slab_axis=slab_axis)
    num_slices, height, width = slab_shape(case)
    block = read_block(case, first, depth)
    assert block.image.shape == (2 * depth, height, width)
    assert block.lesion_ids.shape == (depth, height, width)
    for number in range(depth):
        s = first + number
        shown = min(max(s, 0), num_slices - 1)
        for row, column in ((0, 0), (2, 3), (height - 1, width - 1)):
            where = value(slab_axis, shown, row, column)
            assert block.image[number, row, column] == where
            assert block.image[depth + number, row, column] == 1000 + where
            inside = 0 <= s < num_slices
            assert block.lesion_ids[number, row, column] == (where + 1 if inside else -1)
