"""Cohorts that cannot be cross-validated, or not whole, and what is said."""

from __future__ import annotations

import dataclasses
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_run import TINY, change, last_of_each

from lesionseg import cli
from lesionseg.cli import compose
from lesionseg.stages import folds
from lesionseg.stages.dataset import open_dataset

CASES = [f"phantom_train{n:03d}" for n in range(5)]


def words(dataset, out, *more):
    own = ["data=nnunet", f"data.root={dataset}", f"output={out}", "models=[unet]", "threads=1"]
    return last_of_each([*own, *TINY, "data.folds=2", *more])


@pytest.fixture
def run(dataset, tmp_path, capsys):
    """Runs; returns the exit code and the last line on stderr."""

    def once(*more, stage="run"):
        own = words(dataset, tmp_path / "out", *more)
        if stage == "preprocess":
            own = [one for one in own if one.split(".")[0].split("=")[0] not in NOT_PREPROCESSED]
        code = cli.main([stage, *own])
        return code, capsys.readouterr().err.rstrip().rpartition("\n")[2]

    return once


NOT_PREPROCESSED = ("models", "threads", "device", "train", "sampling", "network")


def without_lesions(dataset, cases):
    for case in cases:
        change(dataset / f"labelsTr/{case}.nii.gz", np.zeros_like)


def with_a_lesion(dataset, case):
    """A cube of eight voxels in the middle of the head."""

    def draw(array):
        drawn = np.zeros_like(array)
        drawn[tuple(slice(n // 2, n // 2 + 2) for n in array.shape)] = 1
        return drawn

    change(dataset / f"labelsTr/{case}.nii.gz", draw)


def test_more_folds_than_patients_are_refused(run, tmp_path):
    code, said = run("data.folds=6")
    assert code == 3
    assert "got 5 training patients, want at least 6 for data.folds=6; give fewer folds" in said
    assert not (tmp_path / "out/models").exists()


def test_other_stages_want_the_number_of_one_fold(run):
    code, said = run(stage="preprocess")
    assert code == 2
    assert "data.folds=2 without data.fold; only `lesionseg run` takes all folds" in said
    assert run("data.fold=1", stage="preprocess")[0] == 0


def test_a_fold_whose_models_would_see_no_lesion_is_refused(run, dataset, tmp_path):
    without_lesions(dataset, CASES)
    code, said = run()
    assert (code, said) == (3, "lesionseg: none of the 5 training scans has a lesion")
    with_a_lesion(dataset, CASES[1])
    code, said = run()
    assert code == 3
    assert "holds out every scan that has lesions, so that its models see none" in said
    with_a_lesion(dataset, CASES[2])
    code, said = run()
    assert code == 3  # each fold has one: to train on, or to validate
    assert "none of its training scans" in said or "none of its validation scans has a les" in said
    assert not (tmp_path / "out/folds/0/models").exists()


def test_the_same_scan_in_two_folds_is_refused(run, dataset):
    for channel in (0, 1):
        images = dataset / "imagesTr"
        shutil.copy(
            images / f"{CASES[0]}_000{channel}.nii.gz", images / f"copy_000{channel}.nii.gz"
        )
    shutil.copy(dataset / f"labelsTr/{CASES[0]}.nii.gz", dataset / "labelsTr/copy.nii.gz")
    found = {run(f"seed={seed}", "data.folds=5") for seed in (0, 1)}
    for code, said in found:
        assert code == 2
        assert "is the very scan of case" in said


def test_where_no_scan_can_be_read_the_exit_code_says_so(run, dataset):
    for path in dataset.glob("imagesTr/*"):
        path.write_bytes(b"no scan")
    code, said = run()
    assert code == 4
    assert "rejected like every other scan" in said


def test_a_scan_that_cannot_be_read_is_left_out_and_named(run, dataset, tmp_path):
    for case in CASES:
        with_a_lesion(dataset, case)
    change(dataset / f"imagesTr/{CASES[4]}_0000.nii.gz", lambda array: array[:-1])
    assert run()[0] == 5
    masks = sorted(path.name for path in (tmp_path / "out/predictions/unet").glob("*.nii.gz"))
    assert masks == [f"{case}.nii.gz" for case in CASES[:4]]
    cases = pd.read_csv(tmp_path / "out/report/cases.csv")
    assert sorted(cases["case"]) == CASES[:4]
    assert CASES[4] in (tmp_path / "out/report/report.html").read_text(encoding="utf-8")


def test_a_data_set_without_a_test_set_holds_none_out(run, dataset, tmp_path):
    for case in CASES:
        with_a_lesion(dataset, case)
    for name in ("imagesTs", "labelsTs"):
        shutil.rmtree(dataset / name)
    assert run()[0] == 0
    cases = pd.read_csv(tmp_path / "out/report/cases.csv")
    assert sorted(cases["case"]) == CASES
    assert not (tmp_path / "out/test_set").exists()
    shape = nib.load(dataset / f"labelsTr/{CASES[0]}.nii.gz").shape
    assert nib.load(tmp_path / f"out/predictions/unet/{CASES[0]}.nii.gz").shape == shape


def test_a_scan_in_two_folds_or_in_its_own_training_stops(dataset, tmp_path):
    for case in CASES:
        with_a_lesion(dataset, case)
    settings = compose("run", words(dataset, tmp_path / "out"))
    settings = settings.model_copy(update={"edges_mm": (3.0, 5.0, 10.0)})
    dealt = folds.deal_run(open_dataset(settings), settings)
    assert folds.prepare_folds(dealt, tmp_path / "out") == 0
    folds._check_held_out(dealt)
    first, second = dealt.folds
    twice = dataclasses.replace(second, held_out=(*second.held_out, first.held_out[0]))
    with pytest.raises(AssertionError, match="in no fold or in two"):
        folds._check_held_out(dataclasses.replace(dealt, folds=(first, twice)))
    swapped = (
        dataclasses.replace(first, held_out=second.held_out),
        dataclasses.replace(second, held_out=first.held_out),
    )
    with pytest.raises(AssertionError, match="a patient leaks"):
        folds._check_held_out(dataclasses.replace(dealt, folds=swapped))
