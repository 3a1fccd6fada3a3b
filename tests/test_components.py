"""Components of masks of every shape, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lesionseg.components import label_components

RANK = {6: 1, 18: 2, 26: 3}


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize(
    "shape", [(12, 1, 1), (1, 30, 1), (7, 9, 1), (1, 8, 8), (2, 2, 40), (6, 7, 8)]
)
def test_components_are_those_of_scipy(shape, connectivity):
    """Every other voxel of a thin array is as many components as there can be."""
    checker = np.indices(shape).sum(axis=0) % 2 == 0
    sparse = np.random.default_rng(0).random(shape) < 0.3
    apart = np.all(np.indices(shape) % 2 == 0, axis=0)
    for mask in (checker, sparse, apart, np.zeros(shape, bool), np.ones(shape, bool)):
        found = label_components(mask, connectivity)
        structure = ndimage.generate_binary_structure(3, RANK[connectivity])
        wanted, num = ndimage.label(mask, structure)
        assert found.max(initial=0) == num
        pairs = set(zip(found.ravel().tolist(), wanted.ravel().tolist()))
        assert len(pairs) == num + (not mask.all())  # one number of ours for each of scipy's
        assert found.dtype == np.int32


def test_another_connectivity_is_refused():
    with pytest.raises(ValueError, match="connectivity is 8"):
        label_components(np.ones((3, 3, 3), bool), 8)
