"""Masks of classes on another grid: training, raters and reports see the same voxels."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.reading import STRICT
from lesionseg.lesion_classes import named_classes
from lesionseg.lesion_kinds import IGNORED
from lesionseg.reading.masks_on_grid import carried_ids, carried_numbers
from lesionseg.reading.scans import load_scan
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.scoring.masks import read_class_numbers, read_prediction, read_reference
from lesionseg.structures import Grid, Volume

FIXED = dataclasses.replace(STRICT, fix_grid=True)
REGIONS = {"whole": (1, 2), "core": (2,)}
SHAPE = (16, 16, 8)
GRIDS = {
    "half as many voxels between the others": ((8, 8, 8), (2, 2, 1), (0.5, 0.5, 0)),
    "half a voxel beside it": ((15, 15, 8), (1, 1, 1), (0.5, 0.5, 0)),
    "finer": ((20, 20, 9), (0.7, 0.75, 0.8), (0.2, 0.1, 0.3)),
}


def regions():
    """A core with a rim of one voxel, but for one side, on which it lies bare."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[4:11, 4:11, 2:6] = 1
    mask[5:10, 4:10, 3:5] = 2
    return mask


def interpolated(where, shape, spacing, start):
    """Where a mask on voxels of 1 mm is at least one half, by SciPy; not for a grid on which
    lesions would be averaged."""
    places = [i * mm + at for i, mm, at in zip(np.indices(shape), spacing, start)]
    return ndimage.map_coordinates(where.astype(float), places, order=1) >= 0.5 - 1e-6


@pytest.fixture(params=GRIDS.values(), ids=GRIDS.keys())
def other(request, tmp_path):
    """A scan on another grid than the mask beside it, and the regions as they are there."""
    shape, spacing, start = request.param
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = start
    values = np.random.default_rng(0).normal(500, 20, shape).astype(np.float32)
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image(regions(), np.eye(4)), tmp_path / "mask.nii.gz")
    expected = sum(interpolated(regions() >= n, shape, spacing, start).astype(int) for n in (1, 2))
    assert set(np.unique(expected)) == {0, 1, 2}
    return tmp_path, expected, Grid(shape, affine)


def test_a_rim_of_a_region_is_carried_with_its_core_in_training_and_of_raters(other):
    folder, expected, _ = other
    labels = MaskLabels(frozenset({1, 2}), named_classes(REGIONS, regions=True))
    scan = ScanFiles(
        "c", "p", "train", (folder / "scan.nii.gz",), folder / "mask.nii.gz", rule=FIXED
    )
    raters = tuple((name, folder / "mask.nii.gz") for name in "abc")
    for files in (scan, dataclasses.replace(scan, mask=None, raters=raters)):
        loaded = load_scan(files, labels)
        np.testing.assert_array_equal(loaded.kinds.classes[loaded.lesion_ids], expected)


def test_a_report_carries_regions_as_training_does(other):
    folder, expected, grid = other
    options = ScoringOptions(labels=REGIONS, regions=True, fix_grid=True)
    files = PredictionFiles(folder / "mask.nii.gz")
    found = read_class_numbers(files, grid, "c", "net", options)
    np.testing.assert_array_equal(found.array, expected)
    as_one = ScoringOptions(labels={"lesion": (1, 2)}, fix_grid=True)
    reference = folder / "reference.nii.gz"
    nib.save(nib.Nifti1Image(expected.astype(np.uint8), grid.affine), reference)
    case = ReportCase("c", "c", reference, {"net": files})
    one = read_prediction(files, read_reference(case, as_one), "c", "net", as_one)
    np.testing.assert_array_equal(one.array, expected > 0)


def test_other_tissue_takes_no_voxel_from_a_lesion():
    """A lesion of one voxel in an organ, between two voxels of a grid shifted by 0.4 voxels."""
    numbers = np.zeros((9, 3, 3), np.int32)
    numbers[4, 1, 1] = 1
    numbers[0, 0, 0] = IGNORED
    affine = np.eye(4)
    affine[0, 3] = 0.4
    grid = Grid((9, 3, 3), affine)
    mask = Volume(numbers, np.eye(4))
    found = carried_numbers(mask, named_classes({"a": [1], "b": [2]}), 0.4, grid, "c")
    assert np.argwhere(found.array == 1).tolist() == [[4, 1, 1]]
    assert np.argwhere(found.array == IGNORED).tolist() == [[0, 0, 0]]


def test_ids_are_carried_whole_and_a_single_value_by_its_components():
    """Id 70000 has two pieces around a gap of one voxel, which a coarser grid closes."""
    ids = np.zeros((12, 3, 3), np.int32)
    ids[2:5], ids[6:9], ids[11] = 70000, 70000, 9
    affine = np.eye(4)
    affine[0, 0], affine[0, 3] = 1.5, 0.5
    grid = Grid((8, 3, 3), affine)  # at 0.5, 2, 3.5, 5, 6.5, 8, 9.5, 11
    several = carried_ids(Volume(ids, np.eye(4)), 1.0, grid, "c").array[:, 1, 1]
    assert several.tolist() == [0, 70000, 70000, 0, 70000, 70000, 0, 9]
    alone = carried_ids(Volume(np.minimum(ids, 1), np.eye(4)), 1.0, grid, "c").array[:, 1, 1]
    assert alone.tolist() == [0, 1, 1, 0, 1, 1, 0, 1]
