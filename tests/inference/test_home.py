import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from lesionseg import geometry
from lesionseg.data.phantom import scan_grid
from lesionseg.inference.home import deliver
from lesionseg.io import read_volume, write_mask
from lesionseg.structures import Grid, LesionMap, OperatingPoint

POINT = OperatingPoint(0.5, 0.5)


def blobs(shape, seed=0):
    """Separate one- to 27-voxel lesions, one of them in the first slice: int32 ids."""
    rng = np.random.default_rng(seed)
    ids = np.zeros(shape, np.int32)
    ids[2, 2, 0] = 1
    for start in itertools.product(*(range(4, n - 5, 7) for n in shape)):
        side = int(rng.integers(1, 4))
        ids[tuple(slice(s, s + side) for s in start)] = ids.max() + 1
    return ids


def as_map(ids, affine, *, conditional):
    scores = {i: 0.9 - 0.3 * i / ids.max() for i in range(1, int(ids.max()) + 1)}
    return LesionMap(
        probability=(ids > 0).astype(np.float32),
        lesion_ids=ids if conditional else np.zeros_like(ids),
        scores=scores if conditional else {},
        affine=affine,
        conditional=conditional,
    )


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("kind", ["isotropic", "thick", "oblique"])
def test_a_fake_prediction_goes_home_and_reads_back_the_same(tmp_path, kind, conditional):
    grid = scan_grid(kind, np.random.default_rng(0), 0.3)
    truth = blobs(grid.shape)
    scan = nib.Nifti1Image(np.zeros(grid.shape, np.int16), grid.affine)
    scan.header.set_xyzt_units("mm", "sec")
    scan.set_qform(grid.affine, code=2)
    scan.set_sform(grid.affine, code=1)
    nib.save(scan, tmp_path / "scan.nii.gz")
    like = read_volume(tmp_path / "scan.nii.gz")
    canonical, affine = geometry.to_canonical(truth, like.affine)

    home = deliver(as_map(canonical.copy(), affine, conditional=conditional), like.grid, POINT)
    write_mask(tmp_path / "ids.nii.gz", home.ids, like)

    back, original = nib.load(tmp_path / "ids.nii.gz"), nib.load(tmp_path / "scan.nii.gz")
    ids = np.asarray(back.dataobj)
    np.testing.assert_array_equal(ids > 0, truth > 0)
    _, num = ndimage.label(truth > 0, np.ones((3, 3, 3)))
    assert len(np.unique(ids)) - 1 == num == truth.max()
    np.testing.assert_allclose(back.affine, original.affine, atol=1e-6)
    for field in ("qform_code", "sform_code", "xyzt_units"):
        assert back.header[field] == original.header[field]
    for form in ("get_qform", "get_sform"):
        np.testing.assert_allclose(getattr(back, form)(), getattr(original, form)(), atol=1e-6)


def test_no_lesion_gives_an_empty_mask():
    empty = np.zeros((6, 7, 8), np.int32)
    for conditional in (True, False):
        home = deliver(
            as_map(empty, np.eye(4), conditional=conditional), Grid((6, 7, 8), np.eye(4)), POINT
        )
        assert not home.ids.any()
        assert home.scores == {}
        assert home.candidate_scores == {}


def test_lesions_below_the_score_threshold_stay_candidates():
    ids = np.zeros((6, 6, 6), np.int32)
    ids[1, 1, 1], ids[4, 4, 4] = 1, 2
    lesion_map = LesionMap((ids > 0).astype(np.float32), ids, {1: 0.9, 2: 0.3}, np.eye(4), True)
    home = deliver(lesion_map, Grid((6, 6, 6), np.eye(4)), POINT)
    assert home.scores == {1: 0.9}
    assert home.candidate_scores == {1: 0.9, 2: 0.3}
    assert home.ids[1, 1, 1] == 1
    assert home.ids[4, 4, 4] == 0
    assert home.candidate_ids[4, 4, 4] == 2


def test_no_detected_lesion_is_lost_on_a_coarser_grid():
    fine = np.zeros((16, 16, 4), np.int32)
    fine[3, 3, 1] = 1  # a quarter of a coarse voxel: its probability there is well below a half
    fine[8:12, 8:12, 2] = 2
    affine = np.diag([0.5, 0.5, 1, 1.0])
    coarse = geometry.rescaled_grid(Grid(fine.shape, affine), (1, 1, 1))
    home = deliver(as_map(fine, affine, conditional=True), coarse, POINT)
    assert len(home.scores) == 2
    assert (home.ids == 1).sum() == 1
    assert home.ids[1, 1, 1] == 1
    assert (home.ids[4:6, 4:6, 2] == 2).all()


def test_the_probability_of_a_detector_is_weighted_with_the_score():
    ids = np.zeros((4, 4, 4), np.int32)
    ids[1, 1, 1] = 1
    lesion_map = LesionMap(ids.astype(np.float32) * 0.8, ids, {1: 0.5}, np.eye(4), True)
    home = deliver(lesion_map, Grid((4, 4, 4), np.eye(4)), POINT)
    assert home.probability[1, 1, 1] == pytest.approx(0.4)
    assert home.probability.sum() == pytest.approx(0.4)
