"""The preprocess stage end to end, on small phantoms and on folders broken in one place each."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from small_builds import build

from lesionseg.datasets.splits import read_splits
from lesionseg.errors import CaseError, NoInputError, UsageError
from lesionseg.io.case_store import list_cases, open_case, stored_audit
from lesionseg.planning.audit_file import audit_from
from lesionseg.planning.fingerprint import read_fingerprints
from lesionseg.planning.lesion_audit import OUTCOMES, STEPS, LesionAudit
from lesionseg.planning.plan_file import read_plan
from lesionseg.preprocessing.stage import PreprocessResult
from lesionseg.settings.plan import PlanOverrides
from lesionseg.storage.process_pool import case_pool, for_each_case


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_all_training_scans_become_cases_and_the_test_scan_stays(cohort, tmp_path):
    result = build(cohort, tmp_path)
    names = [f"phantom_train{i:03d}" for i in range(6)]
    assert (result.done, result.skipped, result.rejected) == (tuple(names), (), {})
    assert list(result.audit) == names
    assert all(audit_from(stored_audit(tmp_path, n)) == a for n, a in result.audit.items())
    assert result.exit_code == 0
    assert list_cases(tmp_path) == names
    splits = read_splits(tmp_path / "splits.json")
    assert sorted([*splits.train, *splits.validation]) == names
    assert splits.test == ("phantom_test000",)
    plan = read_plan(tmp_path / "plan.yaml")
    assert sum(len(open_case(tmp_path, name).lesions) for name in names) > 0
    for name in names:
        case = open_case(tmp_path, name)
        ids = case.lesion_ids[:]
        assert set(np.unique(ids)) - {0} == set(case.lesions)
        assert np.isfinite(case.image[:]).all()
        rows = [s for axis, s in enumerate(np.diag(case.affine)[:3]) if axis != case.slab_axis]
        if name != "phantom_train002":  # the oblique one has no diagonal affine
            np.testing.assert_allclose(rows, plan.in_plane_spacing_mm, rtol=0.02)
    prints = read_fingerprints(tmp_path / "fingerprint.json")
    assert list(prints) == names
    assert prints["phantom_train004"].spacing_mm == pytest.approx((0.5, 0.5, 3))


def test_a_second_run_does_nothing_and_a_third_only_what_is_missing(broken, tmp_path):
    out, one = tmp_path / "out", PlanOverrides(in_plane_spacing_mm=1)
    build(broken, out, overrides=one)
    before = stamps(out)
    again = build(broken, out, overrides=one)
    assert (again.done, len(again.skipped)) == ((), 6)
    after = stamps(out)
    assert [n for n in before if n.startswith("phantom") and before[n] != after[n]] == []
    (out / "phantom_train001.json").unlink()
    path = broken / "labelsTr/phantom_train003.nii.gz"
    mask = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine), path)
    assert build(broken, out, overrides=one).done == ("phantom_train001", "phantom_train003")
    assert open_case(out, "phantom_train003").lesions == {}
    finer = build(broken, out, overrides=PlanOverrides(in_plane_spacing_mm=0.8))
    assert len(finer.done) == 6
    deeper = build(broken, out, overrides=PlanOverrides(in_plane_spacing_mm=0.8, context_slices=3))
    assert len(deeper.skipped) == 6


def test_lesions_in_the_audit_are_those_of_the_cases(cohort, tmp_path):
    result = build(cohort, tmp_path)
    for name, audit in result.audit.items():
        table = open_case(tmp_path, name).lesions
        assert {i: row["volume_mm3"] for i, row in table.items()} == pytest.approx(
            audit.volumes_mm3
        )
        assert audit.lost == ()


def test_a_plan_that_loses_lesions_is_refused_unless_told_otherwise(cohort, tmp_path, monkeypatch):
    def lossy(ids, kinds, affine, case, cells, drawn):
        nothing = dict.fromkeys(OUTCOMES, ())
        steps = dict.fromkeys(STEPS, nothing) | {"resample": nothing | {"vanished": (1,)}}
        return LesionAudit({1: 3.0}, steps, 0, {1: 1})

    monkeypatch.setattr("lesionseg.preprocessing.stage.audit_case", lossy)
    with pytest.raises(UsageError, match=r"the plan loses 6 lesions .*1 of case phantom_train000"):
        build(cohort, tmp_path)
    assert not (tmp_path / "splits.json").exists()
    assert (
        "phantom_train000,resample,lesion,under 3 mm,1,1,"
        in (tmp_path / "lesion_audit.csv").read_text()
    )
    allowed = build(cohort, tmp_path, overrides=PlanOverrides(allow_lost_lesions=True))
    assert len(allowed.skipped) == 6
    assert (tmp_path / "splits.json").exists()


def test_a_copy_of_a_training_scan_in_the_test_set_stops(cohort, tmp_path):
    root = shutil.copytree(cohort, tmp_path / "raw")
    for n in ("0000", "0001"):
        shutil.copy(
            root / f"imagesTr/phantom_train001_{n}.nii.gz",
            root / f"imagesTs/phantom_test000_{n}.nii.gz",
        )
    with pytest.raises(UsageError, match="phantom_test000 in test is the very scan of"):
        build(root, tmp_path / "out")


def test_worker_processes_give_the_same_files(cohort, tmp_path):
    build(cohort, tmp_path / "here")
    build(cohort, tmp_path / "there", workers=2)
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert len(names) == 6 * 4 + 6
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def rewrite(path, change):
    image = nib.load(path)
    array, affine = change(np.asarray(image.dataobj), image.affine)
    nib.save(nib.Nifti1Image(array, affine), path)


def truncate(root):
    path = root / "imagesTr/phantom_train001_0001.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])


def half_values(root):
    path = root / "labelsTr/phantom_train001.nii.gz"
    rewrite(path, lambda a, m: (a * np.float32(0.5), m))


def unknown_label(root):
    rewrite(root / "labelsTr/phantom_train001.nii.gz", lambda a, m: (a * np.uint8(254), m))


def other_grid(root):
    rewrite(root / "labelsTr/phantom_train001.nii.gz", lambda a, m: (a[1:], m))


def no_channel(root):
    (root / "imagesTr/phantom_train001_0001.nii.gz").unlink()


def nan_mask(root):
    path = root / "labelsTr/phantom_train001.nii.gz"
    rewrite(path, lambda a, m: (np.where(a, np.nan, 0).astype(np.float32), m))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, ["phantom_train001_0001.nii.gz", "ends inside its gzip stream"]),
        (half_values, ["non-integer value 0.5", "data.mask_threshold=0.5"]),
        (unknown_label, ["unknown labels 254", "want 0, 1"]),
        (other_grid, ["mask grid differs: got 38x45x34", "want 39x45x34", "resample the mask"]),
        (no_channel, ["missing channel T1", "got 1 of 2 (FLAIR)", "want FLAIR, T1"]),
        (nan_mask, ["mask has voxels that are not finite (NaN"]),
    ],
)
def test_one_bad_case_is_rejected_and_the_others_go_on(broken, tmp_path, damage, words):
    damage(broken)
    out = tmp_path / "out"
    result = build(broken, out)
    assert result.exit_code == 5
    assert list(result.rejected) == ["phantom_train001"]
    message = result.rejected["phantom_train001"]
    for word in ["case phantom_train001: ", *words]:
        assert word in message
    assert "\n" not in message
    assert str(tmp_path) not in message
    assert len(result.done) == 5
    assert list(out.glob("phantom_train001*")) == []
    assert list(out.glob(".partial*")) == []
    splits = read_splits(out / "splits.json")
    assert "phantom_train001" not in splits.patients


def test_all_cases_bad(broken, tmp_path):
    for path in broken.glob("labelsTr/*.nii.gz"):
        path.write_bytes(b"<html>")
    result = build(broken, tmp_path / "out")
    assert result.exit_code == 4
    assert len(result.rejected) == 6


def test_two_patients_cannot_train_validate_and_test(broken, tmp_path):
    for part in ("imagesTs", "labelsTs"):
        shutil.rmtree(broken / part)
    for case in range(2, 6):
        for path in broken.glob(f"*Tr/phantom_train{case:03d}*"):
            path.unlink()
    with pytest.raises(NoInputError, match="got 2 training patients"):
        build(broken, tmp_path / "out")


def test_exit_code_of_nothing_at_all():
    assert PreprocessResult().exit_code == 3


def square(number):
    if number < 0:
        raise CaseError(f"n{number}", "is negative")
    if number > 99:
        raise SystemExit if number == 100 else ValueError("our own mistake")
    return number**2


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pool_parts_results_from_rejections_in_the_order_given(workers):
    tasks = {f"n{n}": n for n in (3, -1, 2, -5)}
    with case_pool(workers) as pool:
        results, rejected = for_each_case(pool, square, tasks, title="square")
    assert list(results.items()) == [("n3", 9), ("n2", 4)]
    assert rejected == {"n-1": "case n-1: is negative", "n-5": "case n-5: is negative"}


def test_our_own_mistakes_are_not_rejections():
    with pytest.raises(ValueError, match="our own"), case_pool(0) as pool:
        for_each_case(pool, square, {"a": 101}, title="square")


def die(number):
    import os

    os._exit(9)


def test_a_worker_that_dies_is_said_in_words():
    with case_pool(1) as pool:
        results, rejected = for_each_case(pool, die, {"a": 1}, title="dying")
    assert results == {}
    assert rejected["a"].startswith("case a: its worker process ended: it takes too much memory")
