"""All folds of a run: each patient is predicted by models that never saw it, once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_run import PHANTOM, TINY, last_of_each

from lesionseg import cli
from lesionseg.errors import Stopped
from lesionseg.inference import Ensemble, load_model
from lesionseg.stages import training

NUM, FOLDS = 6, 2
WORDS = [f"data.phantom.num_train={NUM}", f"data.folds={FOLDS}", "threads=1"]
MODELS = ("unet", "maskrcnn")
CASES = [f"phantom_train{n:03d}" for n in range(NUM)]


def run(folder, *words, stage="run"):
    return cli.main(last_of_each([stage, f"output={folder}", *PHANTOM, *TINY, *WORDS, *words]))


@pytest.fixture(scope="module")
def validated(tmp_path_factory, undrawn_in_module):
    folder = tmp_path_factory.mktemp("folds") / "run"
    assert run(folder) == 0
    return folder


@pytest.fixture
def copied(validated, tmp_path):
    return shutil.copytree(validated, tmp_path / "run")


def content(path):
    return json.loads(Path(path).read_text())


def test_every_patient_is_predicted_once_by_a_model_that_never_saw_it(validated):
    folds = content(validated / "folds/folds.json")["folds"]
    assert sorted(case for fold in folds for case in fold) == CASES
    for number, held_out in enumerate(folds):
        place = validated / "folds" / str(number)
        splits = content(place / "preprocessed/splits.json")
        patients = splits["patients"]
        seen = {patients[case] for case in (*splits["train"], *splits["validation"])}
        assert len(seen) == NUM - len(held_out)
        assert not seen & {patients[case] for case in held_out}
        fingerprints = (place / "preprocessed/fingerprint.json").read_text()
        assert not any(case in fingerprints for case in held_out)
        for name in MODELS:
            weights = content(place / "models" / name / "model.json")["weights_sha256"]
            for case in held_out:
                record = content(validated / f"predictions/{name}/{case}.json")
                assert record["weights_sha256"] == weights
                assert "members" not in record
    for name in MODELS:
        masks = [path.name for path in sorted((validated / f"predictions/{name}").glob("*.nii.gz"))]
        assert masks == [f"{case}.nii.gz" for case in CASES]
        table = pd.read_csv(validated / f"predictions/{name}/scans.csv")
        assert table["case"].tolist() == CASES
        assert table["lesions_all"].notna().all()


def test_one_report_is_over_all_patients_and_says_how(validated):
    cases = pd.read_csv(validated / "report/cases.csv")
    for name in MODELS:
        assert sorted(cases.loc[cases["model"] == name, "case"]) == CASES
    page = (validated / "report/report.html").read_text(encoding="utf-8")
    assert "Cross-validation in 2 folds: each patient was predicted by the models of one" in page
    assert page.index("Cross-validation in 2 folds") < page.index("<section")
    record = content(validated / "run.json")
    assert record["config"]["data"]["folds"] == FOLDS
    assert len(record["splits_sha256"]) == 64


def test_the_models_of_a_network_are_left_as_one(validated):
    for name in MODELS:
        loaded = load_model(validated / "models" / name, "cpu")
        assert isinstance(loaded, Ensemble)
        expected = [
            content(validated / f"folds/{number}/models/{name}/model.json")["weights_sha256"]
            for number in range(FOLDS)
        ]
        assert [one.weights_sha256 for one in loaded.members] == expected


def test_the_test_set_is_in_no_fold_and_predicted_by_the_ensemble(validated, tmp_path):
    place = validated / "test_set"
    names = [path.name for path in sorted((place / "predictions/unet").glob("*.nii.gz"))]
    assert names == ["phantom_test000.nii.gz", "phantom_test001.nii.gz"]
    cases = pd.read_csv(place / "report/cases.csv")
    assert set(cases["case"]) == {name.removesuffix(".nii.gz") for name in names}
    assert "Cross-validation" not in (place / "report/report.html").read_text(encoding="utf-8")
    words = [f"model={validated / 'models/unet'}", f"input={validated / 'phantom/imagesTs'}"]
    words += [f"output={tmp_path}", "device=cpu", "threads=1"]
    assert cli.main(["predict", *words]) == 0
    for name in names:
        mine, its = (nib.load(f / name) for f in (tmp_path, place / "predictions/unet"))
        np.testing.assert_array_equal(np.asarray(mine.dataobj), np.asarray(its.dataobj))


def test_a_second_run_skips_what_is_finished(copied, capsys):
    watched = [
        path
        for pattern in ("folds/*/models/*/*", "models/*/**/*", "**/*.b2nd", "**/*.nii.gz")
        for path in copied.glob(pattern)
        if path.is_file()
    ]
    assert len(watched) > 50
    before = {path: path.stat().st_mtime_ns for path in watched}
    assert run(copied) == 0
    assert capsys.readouterr().err.count("trained already") == FOLDS * len(MODELS)
    assert {path: path.stat().st_mtime_ns for path in watched} == before


def test_a_changed_setting_trains_its_models_anew_and_no_stale_ensemble_stays(
    copied, capsys, monkeypatch
):
    fit, calls = training.fit, []

    def stopped_in_the_second_fold(*arguments, **options):
        calls.append(options["title"])
        if len(calls) == FOLDS:
            raise Stopped("stopped")
        return fit(*arguments, **options)

    monkeypatch.setattr(training, "fit", stopped_in_the_second_fold)
    before = content(copied / "models/unet/ensemble.json")
    assert run(copied, "network.unet.loss=focal") == Stopped.exit_code
    assert not (copied / "models/unet/ensemble.json").exists()
    assert (copied / "models/maskrcnn/ensemble.json").exists()
    monkeypatch.undo()
    capsys.readouterr()
    assert run(copied, "network.unet.loss=focal") == 0
    assert capsys.readouterr().err.count("trained already") == 1 + FOLDS  # unet of fold 0
    assert content(copied / "models/unet/ensemble.json") != before


def test_one_network_trained_afterwards_is_no_ensemble(copied):
    assert run(copied, "data.folds=null", "models=[unet]", "loss_slabs=0", "price_lesions=0") == 0
    assert not list((copied / "models/unet").glob("member_*"))
    assert not isinstance(load_model(copied / "models/unet", "cpu"), Ensemble)
