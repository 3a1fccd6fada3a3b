"""Near copies and mirror images of a scan in another part stop preprocessing."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from small_builds import build

from lesionseg.datasets.splits import read_splits
from lesionseg.errors import UsageError
from lesionseg.settings.data import SplitRule


def as_copy(cohort, case, like, edit):
    """Replace the scan of one case by an edited copy of another's; its mask stays a mask of it."""
    for part in ("0000", "0001"):
        image = nib.load(cohort / f"imagesTr/{like}_{part}.nii.gz")
        folder = "imagesTs" if "test" in case else "imagesTr"
        array = edit(np.asarray(image.dataobj))
        nib.save(nib.Nifti1Image(array, image.affine), cohort / f"{folder}/{case}_{part}.nii.gz")
    mask = nib.load(cohort / f"labelsTr/{like}.nii.gz")
    folder = "labelsTs" if "test" in case else "labelsTr"
    array = edit(np.asarray(mask.dataobj)) > 0
    nib.save(
        nib.Nifti1Image(array.astype(np.uint8), mask.affine), cohort / f"{folder}/{case}.nii.gz"
    )


def brighter(array):
    return (array * 1.2).astype(array.dtype)


def mirrored(array):
    return array[::-1].copy()


@pytest.mark.parametrize(
    ("edit", "words"), [(brighter, "looks like"), (mirrored, "is a mirror image of")]
)
def test_a_near_copy_of_a_training_scan_in_the_test_set_stops(broken, tmp_path, edit, words):
    as_copy(broken, "phantom_test000", "phantom_train001", edit)
    out = tmp_path / "out"
    with pytest.raises(UsageError) as stopped:
        build(broken, out)
    message = str(stopped.value)
    assert f"phantom_test000 in test {words} case phantom_train001 in " in message
    assert "data.allow_look_alikes=true" in message
    assert not (out / "splits.json").exists()
    allowed = SplitRule(validation_fraction=0.3, allow_look_alikes=True)
    assert build(broken, out, split=allowed).exit_code == 0


def test_near_copies_of_one_patient_lie_in_one_part(broken, tmp_path):
    """Visits look alike; their names say that they are one patient's."""
    for case in ("phantom_train001", "phantom_train005"):
        if case.endswith("5"):
            as_copy(broken, case, "phantom_train001", brighter)
    for path in sorted(broken.rglob("phantom_train00[15]*")):
        visit = "P7_T1" if "train001" in path.name else "P7_T2"
        path.rename(path.with_name(path.name.replace(path.name[:16], visit)))
    assert build(broken, tmp_path / "out").exit_code == 0
    splits = read_splits(tmp_path / "out/splits.json")
    assert splits.patients["P7_T1"] == splits.patients["P7_T2"] == "P7"
    assert len({"P7_T1", "P7_T2"} & set(splits.train)) in (0, 2)
