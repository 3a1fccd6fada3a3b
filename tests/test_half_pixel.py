"""One interpolation for arrays and tensors, against a loop over points."""

import numpy as np
import pytest
import torch

from lesionseg.half_pixel import cell_places, linear_weights, places_in_cells


def test_cells_stand_at_their_middles_and_back():
    # a box from 2 to 5 in four cells of 0.75
    assert cell_places(np.arange(4), 2.0, 5.0, 4).tolist() == [2.375, 3.125, 3.875, 4.625]
    assert places_in_cells(np.array([2.375, 4.625]), 2.0, 3.0, 4).tolist() == [0, 3]
    assert places_in_cells(np.array([-9.0, 2.1, 9.0]), 2.0, 3.0, 4).tolist() == [0, 0, 3]


def test_weights_fall_off_linearly_to_the_next_centre():
    weights = linear_weights(np.array([0.5, 1.25, 7.0]), np.arange(3) + 0.5)
    assert weights.tolist() == [[1, 0, 0], [0.25, 0.75, 0], [0, 0, 0]]


@pytest.mark.parametrize("size", [1, 7, 14])
def test_arrays_and_tensors_give_the_same(size):
    low, high = np.array([[0.3], [2.0]]), np.array([[4.1], [9.0]])
    numbers = np.arange(size, dtype=float)
    array = linear_weights(cell_places(numbers, low, high, size), np.arange(12) + 0.5)
    tensor = linear_weights(
        cell_places(torch.tensor(numbers), torch.tensor(low), torch.tensor(high), size),
        torch.arange(12) + 0.5,
    )
    assert array.shape == (2, size, 12)
    np.testing.assert_array_equal(array, tensor.numpy())
    for box in range(2):
        for cell in range(size):
            place = low[box, 0] + (cell + 0.5) / size * (high[box, 0] - low[box, 0])
            for pixel in range(12):
                expected = max(0.0, 1 - abs(place - (pixel + 0.5)))
                assert array[box, cell, pixel] == pytest.approx(expected, abs=1e-12)
