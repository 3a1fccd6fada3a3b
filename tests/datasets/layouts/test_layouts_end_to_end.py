"""The same scans in every layout become the same cases."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from lesionseg.cli import main
from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.io.case_store import list_cases, open_case
from lesionseg.settings.data import PhantomSettings

CASES = [f"phantom_train00{n}" for n in range(4)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_cohort(
        tmp_path_factory.mktemp("raw"), PhantomSettings(num_train=4, num_test=0, seed=2, size=0.3)
    )


@pytest.fixture(scope="module")
def nnunet(raw, tmp_path_factory):
    """The cases of the folder as nnU-Net has it, to compare with."""
    output = tmp_path_factory.mktemp("nnunet")
    words = ["preprocess", "data=nnunet", f"data.root={raw}", "workers=0"]
    assert main([*words, f"output={output}", "data.test_fraction=0.3"]) == 0
    return output / "preprocessed"


def put(raw, root, place):
    """Copy images and mask of each case to where place(case, role) says; role: 0, 1 or mask."""
    for case in CASES:
        for role in (0, 1, "mask"):
            source = f"labelsTr/{case}" if role == "mask" else f"imagesTr/{case}_000{role}"
            target = root / place(case, role)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(raw / f"{source}.nii.gz", target)


def decathlon(raw, root):
    put(raw, root, lambda case, role: f"parts/{case}_{role}.nii.gz")
    (root / "imagesTr").mkdir()
    (root / "labelsTr").mkdir()
    listed = []
    for case in CASES:
        parts = [nib.load(root / f"parts/{case}_{n}.nii.gz") for n in (0, 1)]
        both = np.stack([np.asarray(part.dataobj) for part in parts], axis=3)
        nib.save(nib.Nifti1Image(both, parts[0].affine), root / f"imagesTr/{case}.nii.gz")
        shutil.copy(root / f"parts/{case}_mask.nii.gz", root / f"labelsTr/{case}.nii.gz")
        listed.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
    content = {"modality": {"0": "FLAIR", "1": "T1"}, "labels": {"0": "background", "1": "lesion"}}
    (root / "dataset.json").write_text(json.dumps(content | {"training": listed, "test": []}))


def bids(raw, root):
    def place(case, role):
        name = f"sub-{case[-1]}"
        if role == "mask":
            return f"derivatives/hand/{name}/anat/{name}_label-lesion_mask.nii.gz"
        return f"{name}/anat/{name}_{('FLAIR', 'T1w')[role]}.nii.gz"

    put(raw, root, place)


def table(raw, root):
    put(raw, root, lambda case, role: f"files/{case}_{role}.nii.gz")
    rows = [f"{c},files/{c}_0.nii.gz,files/{c}_1.nii.gz,files/{c}_mask.nii.gz" for c in CASES]
    (root / "scans.csv").write_text("\n".join(["case,FLAIR,T1,mask", *rows]))


def patterns(raw, root):
    names = {0: "FLAIR", 1: "T1", "mask": "lesion_mask"}
    put(raw, root, lambda case, role: f"{case}/{names[role]}.nii.gz")


@pytest.mark.parametrize(
    ("build", "data", "found"),
    [
        (decathlon, "msd", "Medical Segmentation Decathlon: 4 training scans"),
        (bids, "bids", "BIDS: 4 training scans"),
        (table, "auto", "table of paths (scans.csv): 4 training scans"),
        (patterns, "auto", "path patterns ({patient}/FLAIR.nii.gz): 4 training scans"),
    ],
)
def test_every_layout_gives_the_same_cases(raw, nnunet, tmp_path, capsys, build, data, found):
    root = tmp_path / "data"
    root.mkdir()
    build(raw, root)
    words = ["preprocess", f"data={data}", f"data.root={root}", "workers=0"]
    assert main([*words, f"output={tmp_path / 'run'}", "data.test_fraction=0.3"]) == 0
    said = capsys.readouterr().out
    assert f"found: {found}" in said
    spare = [f"parts/{case}_{n}.nii.gz" for case in CASES for n in (0, 1, "mask")]
    spare = spare if build is decathlon else []
    unused = (tmp_path / "run/not_used.csv").read_text().splitlines()
    assert unused == ["file,reason", *(f"{place},of no scan that is read" for place in spare)]
    assert ("not used: 12 files" in said) == bool(spare)
    names, others = list_cases(tmp_path / "run/preprocessed"), list_cases(nnunet)
    assert len(names) == len(others) == 3
    for name in names:
        ours = open_case(tmp_path / "run/preprocessed", name)
        same = next(other for other in others if other[-1] == name[-1])
        theirs = open_case(nnunet, same)
        np.testing.assert_array_equal(ours.image[:], theirs.image[:])
        np.testing.assert_array_equal(ours.lesion_ids[:], theirs.lesion_ids[:])


def test_a_fold_of_a_cross_validation_from_the_command_line(raw, tmp_path):
    from lesionseg.datasets.splits import read_splits

    words = ["preprocess", "data=nnunet", f"data.root={raw}", "workers=0", "data.folds=3"]
    parts = []
    for fold in (0, 2):
        assert main([*words, f"output={tmp_path / str(fold)}", f"data.fold={fold}"]) == 0
        parts.append(read_splits(tmp_path / str(fold) / "preprocessed/splits.json"))
    assert parts[0].folds == parts[1].folds
    assert [one.validation for one in parts] == [parts[0].folds[0], parts[0].folds[2]]
