"""What would take more memory than is free is refused before it is allocated."""

import tracemalloc

import numpy as np
import pytest

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.io.reading import reading_rule
from lesionseg.reading.grids import onto_grid
from lesionseg.reading.masks_on_grid import ids_on_grid
from lesionseg.settings.reading import DicomSettings, ReadingSettings
from lesionseg.storage import memory
from lesionseg.structures import Grid, Volume

SMALL = Volume(np.ones((4, 4, 4), np.uint8), np.eye(4))
VAST = Grid((10**5, 10**5, 10**5), np.diag([1e-3, 1e-3, 1e-3, 1]))
FIX = reading_rule(ReadingSettings(fix_grid=True), DicomSettings())


@pytest.mark.parametrize("away_mm", [0.0, 1e6])
def test_a_grid_of_too_many_voxels_is_refused(away_mm):
    moved = np.eye(4)
    moved[0, 3] = away_mm
    volume = Volume(SMALL.array, moved)
    words = r"case a: mask, put on a grid of 100000x100000x100000 voxels, takes 16,000,0\S+ GB"
    with pytest.raises(CaseError, match=words):
        onto_grid(volume, VAST, "a", "mask", fix_grid=True)
    with pytest.raises(CaseError, match=words):
        ids_on_grid(volume, VAST, "a", FIX)


def test_a_mask_with_too_many_voxels_of_lesions_is_refused(monkeypatch):
    """Each takes the room of several coordinates, however few the grid has."""
    full, one = np.ones((40, 40, 40), np.uint8), np.zeros((40, 40, 40), np.uint8)
    one[20, 20, 20] = 1
    grid = Grid((10, 10, 10), np.diag([4.0, 4, 4, 1]))
    monkeypatch.setattr(memory, "free_memory", lambda: 2_000_000)
    with pytest.raises(CaseError, match=r"case a: mask, carried to the scan's grid, takes 0.0 GB"):
        ids_on_grid(Volume(full, np.eye(4)), grid, "a", FIX)
    carried, _ = ids_on_grid(Volume(one, np.eye(4)), grid, "a", FIX)
    assert np.count_nonzero(carried.array) == 1


@pytest.mark.parametrize("order", [0, 1])
def test_nothing_between_is_larger_than_source_and_target(order):
    """A needle on a plate: by the axes in turn it would first become a block of 4 * 10^9 voxels."""
    needle = np.full((1, 1, 1000), 3, np.float32)
    wide = np.diag([2000.0, 2000, 1, 1])  # its one row covers the plate
    plate = Grid((2000, 2000, 1), np.array(geometry.crop(needle, np.eye(4), (0,) * 3, (1,) * 3)[1]))
    plate.affine[:3, 3] = [-999.5, -999.5, 500]
    tracemalloc.start()
    found = geometry.resample_to(needle, wide, plate, order=order, fill=-1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == plate.shape
    assert (found == 3).all()
    assert peak < 200e6
