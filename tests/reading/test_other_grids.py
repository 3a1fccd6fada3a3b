"""Masks and channels that lie on another grid than their scan: none is moved or lost."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from report_cohort import save
from scipy.spatial.transform import Rotation

from lesionseg.components import label_components
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.io.reading import STRICT
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.lesion_audit import audit_case
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.reading.carrying import carry_lesions
from lesionseg.reading.scans import load_scan
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_cases import score_cases
from lesionseg.structures import Grid

ONE = MaskLabels()
FIXED = dataclasses.replace(STRICT, fix_grid=True)
SHAPE = (24, 22, 18)
SFORM = np.diag([1.0, 1.0, 2.0, 1.0])
QFORM = np.eye(4)
QFORM[:3, :3] = Rotation.from_euler("xyz", (4, 0, 3), degrees=True).as_matrix() @ SFORM[:3, :3]
QFORM[:3, 3] = (3, -2, 4)


def blobs():
    mask = np.zeros(SHAPE, np.uint8)
    mask[4:6, 5:7, 3] = mask[12, 12, 9] = mask[15:19, 4:8, 10:13] = 1
    return mask


def image():
    return (blobs() * 300.0 + np.random.default_rng(0).normal(500, 20, SHAPE)).astype(np.float32)


def with_forms(path, array, sform, qform):
    made = nib.Nifti1Image(array, None)
    made.set_sform(sform, 2)
    made.set_qform(qform, 1)
    made.header.set_xyzt_units("mm")
    nib.save(made, path)
    return path


def scan_files(tmp_path, mask, *images, rule=STRICT):
    return ScanFiles("c", "p", "train", images, mask, rule=rule)


def by_simple_itk(path, scan):
    mask = sitk.GetImageFromArray(blobs().T)
    mask.CopyInformation(sitk.ReadImage(str(scan)))
    sitk.WriteImage(mask, str(path))


MASK_WRITERS = {
    "the whole header": lambda path, _: with_forms(path, blobs(), SFORM, QFORM),
    "SimpleITK": by_simple_itk,
    "the sform alone": lambda path, _: nib.save(nib.Nifti1Image(blobs(), SFORM), path),
    "the qform for both": lambda path, _: with_forms(path, blobs(), QFORM, QFORM),
}


@pytest.mark.parametrize("fix_grid", [False, True])
@pytest.mark.parametrize("writer", MASK_WRITERS)
def test_a_mask_of_the_scan_s_own_voxels_stays_where_it_was_drawn(tmp_path, writer, fix_grid):
    scan = with_forms(tmp_path / "scan.nii.gz", image(), SFORM, QFORM)
    MASK_WRITERS[writer](tmp_path / "mask.nii.gz", scan)
    rule = dataclasses.replace(STRICT, fix_grid=fix_grid)
    loaded = load_scan(scan_files(tmp_path, tmp_path / "mask.nii.gz", scan, rule=rule), ONE)
    np.testing.assert_array_equal(loaded.lesion_ids > 0, blobs() > 0)
    by_other_form = any("taken voxel for voxel" in note for note in loaded.notes)
    if writer != "SimpleITK":  # whose versions take one form or the other
        assert by_other_form == (writer == "the qform for both")


def test_a_mask_that_no_form_places_there_is_refused(tmp_path):
    scan = with_forms(tmp_path / "scan.nii.gz", image(), SFORM, QFORM)
    elsewhere = QFORM.copy()
    elsewhere[0, 3] += 5
    mask = with_forms(tmp_path / "mask.nii.gz", blobs(), elsewhere, elsewhere)
    with pytest.raises(CaseError, match="mask grid differs"):
        load_scan(scan_files(tmp_path, mask, scan), ONE)


def test_a_mask_of_an_image_that_was_moved_is_not_taken_for_one_of_the_scan(tmp_path):
    """It has both forms of that image, one of which, the scanner's, the scan has too."""
    moved = SFORM.copy()
    moved[0, 3] = 9
    mask = with_forms(tmp_path / "mask.nii.gz", blobs(), moved, QFORM)
    for name, sform in (("unmoved", QFORM), ("moved", SFORM)):
        scan = with_forms(tmp_path / f"{name}.nii.gz", image(), sform, QFORM)
        with pytest.raises(CaseError, match="mask grid differs"):
            load_scan(scan_files(tmp_path, mask, scan), ONE)


def test_another_image_that_shares_the_scanner_s_form_was_moved_all_the_same(tmp_path):
    moved = SFORM.copy()
    moved[0, 3] = 4  # registered by its sform; the qform is still that of the scanner
    first = with_forms(tmp_path / "a.nii.gz", image(), SFORM, QFORM)
    second = with_forms(tmp_path / "b.nii.gz", image(), moved, QFORM)
    with pytest.raises(CaseError, match="channel 1 grid differs"):
        load_scan(scan_files(tmp_path, None, first, second), ONE)
    loaded = load_scan(scan_files(tmp_path, None, first, second, rule=FIXED), ONE)
    np.testing.assert_allclose(loaded.channels[1][4:], image()[:-4], atol=1e-3)


def finer_mask():
    """Twelve lesions of 2 mm on voxels of 1 mm; the scan's 5 mm slices show z from -7.5 to 22.5."""
    mask = np.zeros((24, 22, 45), np.uint8)
    for n in range(12):
        z = 4 * n
        mask[3 + 5 * (n % 4) : 5 + 5 * (n % 4), 4 + 6 * (n // 4) : 6 + 6 * (n // 4), z : z + 2] = 1
    affine = np.eye(4)
    affine[2, 3] = -14
    return mask, affine


def thick_scan(tmp_path):
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[2, 3] = -5
    values = np.random.default_rng(0).normal(500, 20, (24, 22, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_every_lesion_in_view_arrives_and_the_others_are_named(tmp_path):
    scan = thick_scan(tmp_path)
    mask, mask_affine = finer_mask()
    nib.save(nib.Nifti1Image(mask, mask_affine), tmp_path / "mask.nii.gz")
    files = scan_files(tmp_path, tmp_path / "mask.nii.gz", scan, rule=FIXED)
    loaded = load_scan(files, ONE)
    own = label_components(mask)
    # the slices reach from -5 - 2.5 to 20 + 2.5 mm
    in_view, outside = [], []
    for lesion in range(1, own.max() + 1):
        z = np.argwhere(own == lesion)[:, 2] - 14
        (in_view if ((z >= -7.5) & (z <= 22.5)).any() else outside).append(lesion)
    assert (len(in_view), len(outside)) == (8, 4)
    assert set(np.unique(loaded.lesion_ids)) == {0, *in_view}
    for lesion in in_view:
        centre = np.argwhere(own == lesion).mean(axis=0) + mask_affine[:3, 3]
        there = np.argwhere(loaded.lesion_ids == lesion).mean(axis=0) * (1, 1, 5) + (0, 0, -5)
        assert (np.abs(there - centre) <= (1, 1, 3.5)).all()
    (note,) = [note for note in loaded.notes if "lesion by lesion" in note]
    assert "12 lesions drawn, 4 of them outside the scan's field of view" in note

    plan = Plan((ChannelPlan("A", "mri", "zscore"),), in_plane_spacing_mm=1.0)
    case = prepare_loaded(loaded, files, plan)
    audit = audit_case(loaded.lesion_ids, loaded.kinds, loaded.affine, case, drawn=loaded.drawn)
    assert audit.num_outside == 4
    assert audit.lost == ()
    assert audit.volumes_mm3 == dict.fromkeys(in_view, 8.0)  # as drawn, not as carried


def test_lesions_that_meet_on_the_scan_s_grid_stay_two_and_the_audit_counts_from_the_file(tmp_path):
    scan = thick_scan(tmp_path)
    mask = np.zeros((24, 22, 30), np.uint8)
    mask[4:7, 4:7, 4:7] = mask[4:7, 4:7, 8:11] = 1  # a gap of one slice of 1 mm
    affine = np.eye(4)
    affine[2, 3] = -7
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    files = scan_files(tmp_path, tmp_path / "mask.nii.gz", scan, rule=FIXED)
    loaded = load_scan(files, ONE)
    assert set(np.unique(loaded.lesion_ids)) == {0, 1, 2}
    plan = Plan((ChannelPlan("A", "mri", "zscore"),), in_plane_spacing_mm=1.0)
    audit = audit_case(
        loaded.lesion_ids,
        loaded.kinds,
        loaded.affine,
        prepare_loaded(loaded, files, plan),
        drawn=loaded.drawn,
    )
    assert audit.steps["scan grid"]["merged"] == (1, 2)


@pytest.mark.parametrize("seed", range(5))
def test_lesions_are_carried_between_tilted_grids_to_where_they_are(seed):
    rng = np.random.default_rng(seed)
    ids = label_components(rng.random((20, 20, 20)) < 0.004)
    tilt = np.eye(4)
    angles = rng.uniform(-25, 25, 3)
    tilt[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(
        rng.uniform(0.6, 2.0, 3)
    )
    tilt[:3, 3] = rng.uniform(-2, 6, 3)
    grid = Grid((14, 15, 16), tilt)
    carried, drawn = carry_lesions(ids, of_one_class(ids), np.eye(4), grid)
    to_grid = np.linalg.inv(tilt)
    for lesion in range(1, ids.max() + 1):
        places = np.argwhere(ids == lesion) @ to_grid[:3, :3].T + to_grid[:3, 3]
        seen = ((places > -0.5) & (places < np.array(grid.shape) - 0.5)).all(axis=1)
        assert (lesion in drawn.shown) == seen.any() == bool((carried == lesion).any())
        assert (lesion in drawn.outside) == (not seen.any())
        if seen.any():
            found = np.argwhere(carried == lesion)
            nearest = np.linalg.norm((found[:, None] - places[None]) @ tilt[:3, :3].T, axis=2).min()
            assert nearest < np.linalg.norm(tilt[:3, :3].sum(axis=1))  # a voxel's diagonal


def test_what_a_channel_does_not_show_is_its_air_and_counts_for_nothing(tmp_path):
    pet = np.random.default_rng(1).normal(5, 1, (20, 20, 12)).astype(np.float32)
    nib.save(nib.Nifti1Image(pet, np.eye(4)), tmp_path / "pet.nii.gz")
    upper = np.eye(4)
    upper[2, 3] = 6
    ct = np.random.default_rng(2).normal(40, 10, (20, 20, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(ct, upper), tmp_path / "ct.nii.gz")
    mask = np.zeros(pet.shape, np.uint8)
    mask[4:6, 4:6, 2] = mask[10:12, 10:12, 9] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "mask.nii.gz")
    files = scan_files(
        tmp_path, tmp_path / "mask.nii.gz", tmp_path / "pet.nii.gz", tmp_path / "ct.nii.gz"
    )
    files = dataclasses.replace(files, rule=FIXED)
    loaded = load_scan(files, ONE)
    np.testing.assert_array_equal(loaded.channels[1][..., 6:], ct)
    assert np.isnan(loaded.channels[1][..., :6]).all()
    assert any("covers 50 % of the scan" in note for note in loaded.notes)
    assert "channel 1 shows nothing of 1 lesion: 1" in loaded.notes
    plan = Plan(
        (ChannelPlan("PET", "mri", "zscore"), ChannelPlan("CT", "ct", "cohort", -100, 150, 40, 10)),
        in_plane_spacing_mm=1.0,
    )
    case = prepare_loaded(loaded, files, plan)
    np.testing.assert_array_equal(case.image[1, :, :, :6], -14)  # -100 HU, the darkest kept
    np.testing.assert_allclose(case.image[1, :, :, 6:], (ct - 40) / 10, atol=0.01)

    narrow = dataclasses.replace(files, rule=dataclasses.replace(FIXED, uncovered=0.4))
    with pytest.raises(CaseError, match=r"covers 50 % of the scan; want at least 60 %.*uncovered"):
        load_scan(narrow, ONE)


def test_a_report_takes_masks_of_the_two_forms_of_one_image_voxel_for_voxel(tmp_path):
    scan = with_forms(tmp_path / "scan.nii.gz", image(), SFORM, QFORM)
    reference = with_forms(tmp_path / "reference.nii.gz", blobs(), SFORM, SFORM)
    prediction = with_forms(tmp_path / "prediction.nii.gz", blobs(), QFORM, QFORM)
    for first, second in ((reference, prediction), (prediction, reference)):
        case = ReportCase("a", "a", first, {"net": PredictionFiles(second)}, image=scan)
        for fix_grid in (False, True):
            options = ScoringOptions(draws=50, fix_grid=fix_grid)
            found = score_cases([case], options, workers=1)
            assert found.cases["dice"].tolist() == [1.0]
            assert any("taken voxel for voxel" in note for note in found.notes)
        alone = ReportCase("a", "a", first, {"net": PredictionFiles(second)})
        rejected = score_cases([alone], ScoringOptions(draws=50), workers=1).rejected
        assert "prediction of net grid differs" in rejected[0][2]


def test_a_report_counts_predictions_from_another_grid_by_their_lesions(tmp_path):
    """Twelve lesions of one voxel on 1 mm, predicted rightly; the reference has slices of 5 mm."""
    fine, fine_affine = finer_mask()
    inside = fine.copy()
    inside[:, :, :7] = inside[:, :, 37:] = 0
    labelled = label_components(inside)
    coarse, _ = carry_lesions(
        labelled,
        of_one_class(labelled),
        fine_affine,
        Grid((24, 22, 6), np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 5, -5], [0, 0, 0, 1.0]])),
    )
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[2, 3] = -5
    reference = save(tmp_path / "reference" / "a.nii.gz", (coarse > 0).astype(np.uint8), affine)
    files = PredictionFiles(save(tmp_path / "net" / "a.nii.gz", inside, fine_affine))
    case = ReportCase("a", "a", reference, {"net": files})
    found = score_cases([case], ScoringOptions(draws=50, fix_grid=True), workers=1)
    row = found.cases.iloc[0]
    assert row["num_reference"] == row["num_found"] == label_components(inside).max()
    assert "false_positive" not in set(found.lesions["kind"])
    assert any("lesion by lesion" in note for note in found.notes)
    assert not any("does not cover" in note for note in found.notes)

    upper = fine_affine.copy()
    upper[2, 3] += 20
    half = PredictionFiles(save(tmp_path / "half" / "a.nii.gz", inside[:, :, 20:], upper))
    case = ReportCase("a", "a", reference, {"net": half})
    found = score_cases([case], ScoringOptions(draws=50, fix_grid=True), workers=1)
    # the slices lie at -5, 0, ..., 20 mm, what is predicted begins at 5.5 mm
    own = label_components(coarse > 0)
    below = set(np.unique(own[:, :, :3])) - set(np.unique(own[:, :, 3:]))
    said = (
        f"does not cover {len(below - {0})} of {own.max()} reference lesions: they count as missed"
    )
    assert any(said in note for note in found.notes)
