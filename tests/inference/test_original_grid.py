"""Lesions carried to the scan's own grid: none lost, none moved, no voxel more than was found."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from lesionseg import geometry
from lesionseg.datasets.phantom.cohort import scan_grid
from lesionseg.inference.class_lesions import join_classes
from lesionseg.inference.original_grid import to_original_grid
from lesionseg.io import read_volume, write_mask
from lesionseg.lesion_classes import ONE_CLASS
from lesionseg.structures import Grid, LesionMap, OperatingPoint

HALF = OperatingPoint(0.5, 0.0)
BOTH = pytest.mark.parametrize("conditional", [True, False], ids=["detector", "semantic"])


def flat_map(ids, affine, *, inside=0.9, outside=0.0, scores=None, conditional=True):
    """Every lesion voxel of one probability, all else of another; scores fall with the id."""
    ids = np.asarray(ids, np.int32)
    present = np.unique(ids[ids > 0])
    return LesionMap(
        probability=np.where(ids > 0, inside, outside).astype(np.float32),
        lesion_ids=ids if conditional else np.zeros_like(ids),
        scores=(scores or {int(i): 1.0 / int(i) for i in present}) if conditional else {},
        affine=affine,
        conditional=conditional,
    )


def blobs(shape, seed=0, share=0.02):
    """Random lesions that do not touch, the largest of some voxels, and single voxels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 0.7)
    ids, num = ndimage.label(noise > np.quantile(noise, 1 - share), np.ones((3, 3, 3)))
    assert num > 10
    return ids.astype(np.int32)


def partition(ids):
    """The lesions of a volume as a set of sets of voxels, whatever their numbers."""
    return {np.flatnonzero(ids == i).tobytes() for i in np.unique(ids[ids > 0])}


@BOTH
def test_on_the_maps_own_grid_the_mask_is_exact(conditional):
    ids = blobs((20, 22, 9))
    affine = np.array([[0, -0.7, 0, 3], [0.7, 0, 0, -5], [0, 0, 2.0, 1], [0, 0, 0, 1.0]])
    found = to_original_grid(
        flat_map(ids, affine, conditional=conditional), Grid(ids.shape, affine), HALF
    )
    assert partition(found.claims.ids) == partition(ids)
    assert found.claims.ids.dtype == np.int32
    assert found.probability.dtype == np.float32
    assert sorted(found.claims.scores) == list(range(1, ids.max() + 1))


@BOTH
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_on_a_flipped_or_permuted_grid_every_voxel_is_the_same_place(conditional, axes, flips):
    ids = blobs((14, 16, 9), seed=1)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    home, home_affine = ids.transpose(axes)[tuple(slice(None, None, f) for f in flips)], np.eye(4)
    for axis, (old, flip) in enumerate(zip(axes, flips)):
        step = affine[:3, old] * flip
        home_affine[:3, axis] = step
        if flip < 0:
            home_affine[:3, 3] -= step * (ids.shape[old] - 1)
    found = to_original_grid(
        flat_map(ids, affine, conditional=conditional), Grid(home.shape, home_affine), HALF
    )
    assert partition(found.claims.ids) == partition(home)


@BOTH
@pytest.mark.parametrize("kind", ["isotropic", "thick", "oblique"])
def test_a_fake_prediction_goes_home_and_reads_back_the_same(tmp_path, kind, conditional):
    grid = scan_grid(kind, np.random.default_rng(0), 0.3)
    truth = blobs(grid.shape, seed=4, share=0.01)
    truth[:5, :5] = 0
    truth[2, 2, 0] = truth.max() + 1  # one voxel in the first slice
    scan = nib.Nifti1Image(np.zeros(grid.shape, np.int16), grid.affine)
    scan.header.set_xyzt_units("mm", "sec")
    scan.set_qform(grid.affine, code=2)
    scan.set_sform(grid.affine, code=1)
    nib.save(scan, tmp_path / "scan.nii.gz")
    like = read_volume(tmp_path / "scan.nii.gz")
    canonical, affine = geometry.to_canonical(truth, like.affine)

    home = to_original_grid(
        flat_map(canonical.copy(), affine, conditional=conditional), like.grid, HALF
    )
    write_mask(tmp_path / "ids.nii.gz", home.claims.ids, like)

    back, original = nib.load(tmp_path / "ids.nii.gz"), nib.load(tmp_path / "scan.nii.gz")
    ids = np.asarray(back.dataobj)
    assert partition(ids) == partition(truth)
    np.testing.assert_allclose(back.affine, original.affine, atol=1e-6)
    for field in ("qform_code", "sform_code", "xyzt_units"):
        assert back.header[field] == original.header[field]
    for form in ("get_qform", "get_sform"):
        np.testing.assert_allclose(getattr(back, form)(), getattr(original, form)(), atol=1e-6)


@BOTH
@pytest.mark.parametrize("kind", ["isotropic", "thick", "oblique"])
def test_on_every_phantom_grid_a_canonical_map_comes_home_exactly(conditional, kind):
    """The map is the scan's grid turned to RAS and cropped, as preprocessing makes it."""
    grid = scan_grid(kind, np.random.default_rng(2), 0.3)
    truth = blobs(grid.shape, seed=3, share=0.01)
    truth[:4] = truth[-4:] = 0  # cropped away
    canonical, affine = geometry.to_canonical(truth, grid.affine)
    start, stop = geometry.bounding_box(canonical > 0, (1, 1, 1))
    window, affine = geometry.crop(canonical, affine, start, stop)
    assert window.size < truth.size
    found = to_original_grid(flat_map(window, affine, conditional=conditional), grid, HALF)
    assert partition(found.claims.ids) == partition(truth)


@BOTH
@pytest.mark.parametrize("kind", ["isotropic", "thick", "oblique"])
@pytest.mark.parametrize("factor", [2.0, 1.5, 0.6])
def test_from_another_in_plane_spacing_no_lesion_is_lost_and_none_moves(conditional, kind, factor):
    grid = scan_grid(kind, np.random.default_rng(2), 0.35)
    canonical, affine = geometry.to_canonical(np.zeros(grid.shape), grid.affine)
    fine = geometry.in_plane_grid(
        Grid(canonical.shape, affine), min(geometry.spacing(affine)) / factor, 2
    )
    ids = np.zeros(fine.shape, np.int32)
    number = 0
    for x in range(3, fine.shape[0] - 4, 6):
        for y in range(3, fine.shape[1] - 4, 6):
            number += 1
            side = 1 + number % 3
            ids[x : x + side, y : y + side, number % fine.shape[2]] = number
    found = to_original_grid(flat_map(ids, fine.affine, conditional=conditional), grid, HALF)
    assert len(found.claims.scores) == number > 5
    voxel = float(np.abs(grid.affine[:3, :3]).sum(axis=1).max())
    centres = (
        fine.affine[:3, :3] @ np.array(ndimage.center_of_mass(ids > 0, ids, range(1, number + 1))).T
        + fine.affine[:3, 3:]
    )
    for lesion in found.claims.scores:
        place = np.argwhere(found.claims.ids == lesion).mean(axis=0)
        world = grid.affine[:3, :3] @ place + grid.affine[:3, 3]
        assert np.linalg.norm(centres - world[:, None], axis=0).min() < voxel


@BOTH
def test_the_mask_holds_what_reaches_the_threshold_and_nothing_else(conditional):
    """Between the grids' voxels a probability is the mean of its two neighbours."""
    ids = np.zeros((6, 4, 4), np.int32)
    ids[2, 1, 1] = 1
    half_a_voxel = np.eye(4)
    half_a_voxel[0, 3] = 0.5
    lesion_map = flat_map(ids, np.eye(4), inside=0.8, conditional=conditional)
    at_04 = to_original_grid(lesion_map, Grid((6, 4, 4), half_a_voxel), OperatingPoint(0.4, 0.0))
    assert np.argwhere(at_04.claims.ids).tolist() == [[1, 1, 1], [2, 1, 1]]
    at_05 = to_original_grid(lesion_map, Grid((6, 4, 4), half_a_voxel), HALF)
    assert at_05.claims.ids.sum() == 1  # 0.4 everywhere: one voxel is kept, so that it is not lost
    assert np.argwhere(at_05.claims.ids)[0].tolist() in ([1, 1, 1], [2, 1, 1])


def test_a_detectors_faint_surroundings_are_no_lesion_at_any_threshold():
    """What was not the lesion's when the threshold was chosen is not when it is used."""
    ids = np.zeros((9, 9, 5), np.int32)
    ids[4, 4, 2] = 1
    lesion_map = flat_map(ids, np.eye(4), outside=0.2)
    found = to_original_grid(lesion_map, Grid(ids.shape, np.eye(4)), OperatingPoint(0.1, 0.0))
    np.testing.assert_array_equal(found.claims.ids, ids)


@BOTH
def test_lesions_below_the_score_threshold_are_candidates_only(conditional):
    ids = np.zeros((12, 5, 5), np.int32)
    for number in range(1, 5):
        ids[3 * number - 2, 2, 2] = number
    lesion_map = flat_map(ids, np.eye(4), scores={1: 0.3, 2: 0.9, 3: 0.6, 4: 0.9})
    if not conditional:
        probability = lesion_map.probability.copy()
        for number, score in lesion_map.scores.items():
            probability[ids == number] = score
        lesion_map = LesionMap(probability, np.zeros_like(ids), {}, np.eye(4), False)
    found = to_original_grid(lesion_map, Grid(ids.shape, np.eye(4)), OperatingPoint(0.2, 0.6))
    kept = join_classes([found.claims], ONE_CLASS).kept
    place = {int(kept.ids[3 * n - 2, 2, 2]): n for n in (2, 3, 4)}
    assert [place[i] for i in (1, 2, 3)] == [2, 4, 3]  # by falling score, the first of a tie first
    assert kept.scores == pytest.approx({1: 0.9, 2: 0.9, 3: 0.6})
    assert kept.ids[1, 2, 2] == 0
    assert found.claims.ids[1, 2, 2] == 4
    assert found.claims.scores == pytest.approx({1: 0.9, 2: 0.9, 3: 0.6, 4: 0.3})


def test_the_probability_of_a_detector_is_that_of_its_lesion_times_that_of_the_voxel():
    ids = np.zeros((8, 5, 5), np.int32)
    ids[1:3, 2, 2], ids[5:7, 2, 2] = 1, 2
    lesion_map = flat_map(ids, np.eye(4), inside=0.8, scores={1: 1.0, 2: 0.5})
    found = to_original_grid(lesion_map, Grid(ids.shape, np.eye(4)), HALF)
    expected = 0.8 * np.select([ids == 1, ids == 2], [1.0, 0.5])
    np.testing.assert_allclose(found.probability, expected, atol=1e-6)


@pytest.mark.parametrize("conditional", [True, False])
def test_scores_are_told_as_the_calibration_says_and_masks_stay(conditional):
    probability = np.zeros((12, 4, 4), np.float32)
    probability[1:3, 1:3, 1:3], probability[7:9, 1:3, 1:3] = 0.9, 0.5
    ids = np.zeros(probability.shape, np.int32)
    ids[1:3, 1:3, 1:3], ids[7:9, 1:3, 1:3] = 1, 2
    made = LesionMap(probability, ids, {1: 0.9, 2: 0.5}, np.eye(4), conditional)
    if not conditional:
        made = LesionMap(probability, np.zeros_like(ids), {}, np.eye(4), conditional)
    grid = Grid(ids.shape, np.eye(4))
    plain = to_original_grid(made, grid, OperatingPoint(0.2, 0.6))
    knots = ((0.0, 0.0), (0.5, 0.1), (0.9, 0.3), (1.0, 1.0))
    told = to_original_grid(made, grid, OperatingPoint(0.2, 0.2, knots))
    assert told.claims.scores == {1: pytest.approx(0.3), 2: pytest.approx(0.1)}
    np.testing.assert_array_equal(told.claims.ids, plain.claims.ids)
    expected = np.where(ids == 1, 0.9 * 0.3, np.where(ids == 2, 0.5 * 0.1, 0))
    if not conditional:
        expected = probability
    np.testing.assert_allclose(told.probability, expected, atol=1e-6)


def test_the_probability_of_a_semantic_model_is_its_own():
    rng = np.random.default_rng(0)
    probability = rng.random((6, 7, 5)).astype(np.float32)
    lesion_map = LesionMap(probability, np.zeros((6, 7, 5), np.int32), {}, np.eye(4), False)
    found = to_original_grid(lesion_map, Grid((6, 7, 5), np.eye(4)), HALF)
    np.testing.assert_array_equal(found.probability, probability)


@BOTH
def test_no_lesion_at_all(conditional):
    lesion_map = flat_map(np.zeros((5, 6, 4)), np.eye(4), outside=0.1, conditional=conditional)
    found = to_original_grid(lesion_map, Grid((9, 9, 9), np.diag([0.5, 0.5, 0.5, 1])), HALF)
    assert found.claims.ids.shape == found.probability.shape == (9, 9, 9)
    assert not found.claims.ids.any()
    assert found.claims.scores == {}


@BOTH
def test_a_lesion_of_one_voxel_in_the_first_slice(conditional):
    ids = np.zeros((5, 6, 4), np.int32)
    ids[0, 0, 0] = 1
    lesion_map = flat_map(ids, np.eye(4), conditional=conditional)
    exact = to_original_grid(lesion_map, Grid(ids.shape, np.eye(4)), HALF)
    np.testing.assert_array_equal(exact.claims.ids, ids)
    coarse = np.diag([2.0, 2.0, 1.0, 1.0])
    coarse[:2, 3] = 0.5
    at_home = to_original_grid(lesion_map, Grid((3, 3, 4), coarse), HALF)
    assert np.argwhere(at_home.claims.ids).tolist() == [[0, 0, 0]]


def test_two_lesions_that_vanish_into_one_voxel_take_one_each():
    ids = np.zeros((8, 8, 3), np.int32)
    ids[2:4, 2, 1] = 1
    ids[2:4, 3, 1] = 2  # the same voxel of the coarse grid, and one row beside it
    ids[4, 3, 1] = 2
    coarse = np.diag([2.0, 2.0, 1.0, 1.0])
    coarse[:2, 3] = 0.5
    lesion_map = flat_map(ids, np.eye(4), inside=0.51)
    found = to_original_grid(lesion_map, Grid((4, 4, 3), coarse), HALF)
    assert sorted(np.unique(found.claims.ids)) == [0, 1, 2]


def test_a_lesion_does_not_take_the_only_voxel_of_another():
    ids = np.zeros((8, 8, 3), np.int32)
    ids[2:4, 2:4, 1] = 1
    ids[2, 2, 1] = 2
    coarse = np.diag([2.0, 2.0, 1.0, 1.0])
    coarse[:2, 3] = 0.6
    found = to_original_grid(flat_map(ids, np.eye(4)), Grid((4, 4, 3), coarse), HALF)
    assert found.claims.scores == {1: 1.0}
    assert np.argwhere(found.claims.ids).tolist() == [[1, 1, 1]]


@BOTH
def test_on_a_coarser_grid_a_probability_is_an_average_and_so_is_the_mask(conditional):
    """Triangle weights 1, 3, 3, 1 over four voxels: the outermost gives an eighth."""
    ids = np.zeros((8, 3, 3), np.int32)
    ids[4, 1, 1] = 1
    coarse = np.diag([2.0, 1.0, 1.0, 1.0])
    coarse[0, 3] = 0.5
    lesion_map = flat_map(ids, np.eye(4), inside=1.0, conditional=conditional)
    found = to_original_grid(lesion_map, Grid((4, 3, 3), coarse), OperatingPoint(0.1, 0.0))
    assert np.argwhere(found.claims.ids).tolist() == [[1, 1, 1], [2, 1, 1]]
    np.testing.assert_allclose(found.probability[:, 1, 1], [0, 1 / 8, 3 / 8, 0], atol=1e-6)
