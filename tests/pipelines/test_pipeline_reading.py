"""What is refused while reading, and what the keys that ask for it do."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from dicom_slices import write_series

from lesionseg.cli import compose, main
from lesionseg.errors import NoInputError
from lesionseg.io.image_folder import find_images
from lesionseg.io.reading import STRICT, ReadingRule, reading_rule

CASE = "phantom_train001"


@pytest.fixture
def cohort(run_folder, tmp_path):
    return shutil.copytree(run_folder / "phantom", tmp_path / "raw")


def rewrite(path, affine=None, codes=1):
    image = nib.load(path)
    affine = image.affine if affine is None else affine(image.affine)
    made = nib.Nifti1Image(np.asarray(image.dataobj), affine)
    made.set_sform(affine, codes)
    made.set_qform(affine, codes)
    nib.save(made, path)


def preprocess(cohort, tmp_path, *words):
    given = ["preprocess", "data=nnunet", f"data.root={cohort}", f"output={tmp_path / 'run'}"]
    return main([*given, "workers=0", *words])


def test_without_a_position_a_scan_is_refused_unless_it_may_be_assumed(cohort, tmp_path, capsys):
    for path in cohort.rglob(f"{CASE}*.nii.gz"):
        rewrite(path, codes=0)
    assert preprocess(cohort, tmp_path) == 5
    assert "data.assume_affine=true" in capsys.readouterr().err
    assert preprocess(cohort, tmp_path, "data.assume_affine=true") == 0
    said = capsys.readouterr().err
    assert f"note: case {CASE}: " in said
    assert "position assumed" in said


@pytest.mark.parametrize(
    ("file", "what"), [(f"labelsTr/{CASE}", "mask"), (f"imagesTr/{CASE}_0001", "channel T1")]
)
def test_what_lies_beside_its_scan_is_refused_unless_it_may_be_resampled(
    cohort, tmp_path, capsys, file, what
):
    def moved(affine):
        affine = affine.copy()
        affine[0, 3] += 2
        return affine

    rewrite(cohort / f"{file}.nii.gz", moved)
    assert preprocess(cohort, tmp_path) == 5
    said = capsys.readouterr().err
    assert f"{what} grid differs" in said
    assert "up to 2 mm apart" in said
    assert "data.fix_grid=true" in said
    assert preprocess(cohort, tmp_path, "data.fix_grid=true") == 0
    done = "carried to the scan's grid" if what == "mask" else "resampled"
    assert f"note: case {CASE}: {what} {done}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("dicom.irregular=guess", "want refuse or resample"),
        ("data.mask_threshold=2", "from 0 to 1"),
        ("data.mask_threshold=0", "every voxel is lesion; want above 0"),
        ("data.assume_affine=no", "data.assume_affine is 'no'; want true or false"),
        ("data.fix_grid=maybe", "data.fix_grid is 'maybe'; want true or false"),
    ],
)
def test_answers_that_are_not_known_are_usage_errors(cohort, tmp_path, capsys, word, said):
    assert preprocess(cohort, tmp_path, word) == 2
    assert said in capsys.readouterr().err


def rule_of(stage, words):
    asked = compose(stage, words)
    threshold = None if stage == "predict" else asked.data.mask_threshold
    return reading_rule(asked.data, asked.dicom, mask_threshold=threshold)


@pytest.mark.parametrize(
    ("stage", "needed"),
    [
        ("check", ["data.root=x", "output=y"]),
        ("preprocess", ["output=y"]),
        ("run", ["output=y"]),
        ("predict", ["model=m", "input=x", "output=y"]),
    ],
)
def test_every_stage_that_reads_scans_takes_the_same_keys(stage, needed):
    assert rule_of(stage, needed) == STRICT
    asked = ["data.assume_affine=true", "data.fix_grid=true", "dicom.irregular=resample"]
    asked.append("dicom.series=301")  # a text that looks like a number
    threshold = [] if stage == "predict" else ["data.mask_threshold=0.4"]
    rule = rule_of(stage, [*needed, *asked, *threshold])
    assert rule == ReadingRule(
        True, "resample", True, 0.4 if threshold else None, dicom_series="301"
    )
    assert rule_of(stage, [*needed, "dicom.series=AX T1, +C"]).dicom_series == "AX T1, +C"


def test_folders_of_dicom_slices_are_scans_of_their_names(tmp_path):
    voxels = np.zeros((3, 4, 5), np.int16)
    places = [(0, 0, 2 * index) for index in range(3)]
    for name in ("ann", "bob"):
        write_series(tmp_path / "all" / name, voxels, places)
    (tmp_path / "all" / "none").mkdir()
    found = find_images(tmp_path / "all", 1)
    assert found == [(name, [tmp_path / "all" / name]) for name in ("ann", "bob")]
    one = find_images(tmp_path / "all" / "ann", 1)
    assert one == [("ann", [tmp_path / "all" / "ann"])]
    # with two channels each lacks one, which its rejection says
    assert find_images(tmp_path / "all", 2) == found
    with pytest.raises(NoInputError):
        find_images(tmp_path / "all" / "none", 1)
