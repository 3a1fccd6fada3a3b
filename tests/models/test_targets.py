"""Targets of a slice: one per piece of a lesion, tight, and the semantic mask beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from lesionseg.models.targets import slice_target

EIGHT = np.ones((3, 3), int)


def pieces_of(ids):
    """Every 8-connected piece of every id, as masks, by way of scipy."""
    found = []
    for lesion in np.unique(ids[ids > 0]):
        labels, num = ndimage.label(ids == lesion, EIGHT)
        found += [labels == piece for piece in range(1, num + 1)]
    return found


def check(ids, target):
    """Against the pieces found by scipy, in any order."""
    expected = {mask.tobytes(): mask for mask in pieces_of(ids)}
    masks = target.masks.numpy()
    assert {mask.tobytes() for mask in masks} == set(expected)
    assert len(masks) == len(expected)
    for mask, box in zip(masks, target.boxes.tolist()):
        rows, columns = np.nonzero(mask)
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert target.labels.tolist() == [1] * len(expected)
    np.testing.assert_array_equal(target.semantic.numpy(), ids > 0)
    types = [t.dtype for t in (target.boxes, target.labels, target.masks, target.semantic)]
    assert types == [torch.float32, torch.int64, torch.bool, torch.int64]


def test_random_slices_have_the_pieces_that_scipy_finds():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        blobs = ndimage.gaussian_filter(rng.normal(size=(24, 31)), 1.2) > 0.25
        ids = np.where(blobs, rng.integers(1, 4, (24, 31)), 0).astype(np.int32)
        assert len(pieces_of(ids)) > 3
        check(ids, slice_target(ids))


def test_two_pieces_of_one_lesion_are_two_targets():
    ids = np.zeros((10, 12), np.int32)
    ids[2:4, 1:3] = 5
    ids[2:4, 8:11] = 5
    target = slice_target(ids)
    check(ids, target)
    assert sorted(target.boxes.tolist()) == [[1, 2, 3, 4], [8, 2, 11, 4]]


def test_pieces_that_touch_at_a_corner_are_one_and_lesions_that_touch_are_two():
    ids = np.zeros((8, 8), np.int32)
    ids[1, 1] = ids[2, 2] = 9
    ids[3:5, 3:5] = 4  # touches the 9 at a corner
    ids[3:5, 5] = 70_000  # and this one along a side
    target = slice_target(ids)
    check(ids, target)
    assert len(target.boxes) == 3


def test_one_pixel_lesions_in_the_corners():
    ids = np.zeros((6, 7), np.int32)
    ids[0, 0], ids[5, 6] = 1, 2
    target = slice_target(ids)
    check(ids, target)
    assert sorted(target.boxes.tolist()) == [[0, 0, 1, 1], [6, 5, 7, 6]]


def test_more_lesions_than_fit_a_byte():
    ids = np.zeros((64, 64), np.int32)
    ids[::3, ::3] = np.arange(1, 485).reshape(22, 22)
    target = slice_target(ids)
    check(ids, target)
    assert len(target.boxes) == 484


def test_a_lesion_may_fill_the_slice():
    ids = np.full((5, 9), 3, np.int32)
    target = slice_target(ids)
    check(ids, target)
    assert target.boxes.tolist() == [[0, 0, 9, 5]]


@pytest.mark.parametrize("shape", [(6, 7), (1, 1)])
def test_a_slice_without_lesions_has_empty_targets(shape):
    target = slice_target(np.zeros(shape, np.int32))
    assert target.boxes.shape == (0, 4)
    assert target.labels.shape == (0,)
    assert target.masks.shape == (0, *shape)
    assert target.semantic.shape == shape
    assert not target.semantic.any()


def test_moving_a_target_moves_all_of_it():
    ids = np.zeros((4, 4), np.int32)
    ids[1, 1] = 1
    moved = slice_target(ids).to(torch.device("meta"))
    assert {t.device.type for t in vars(moved).values()} == {"meta"}
