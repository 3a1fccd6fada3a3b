"""Stages alone, stopped, changed and repeated, on a tiny phantom."""

import json
import shutil
import subprocess
import sys
import time

import pytest
from tiny_run import BACKBONE, MODELS, PHANTOM, RUN, TINY, last_of_each, lose_a_channel

from lesionseg import cli
from lesionseg.training.checkpoint import read_progress


def rerun(finished, *words):
    data = ["data=nnunet", f"data.root={finished / 'phantom'}"]
    return cli.main(last_of_each(["run", f"output={finished}", *data, *RUN, *words]))


@pytest.mark.slow
def test_training_stopped_by_the_scheduler_goes_on_with_the_same_command(finished):
    """SIGTERM to a process of its own: exit code 75 and one line; then it resumes and ends."""
    for model in MODELS:
        shutil.rmtree(finished / "models" / model)
    words = ["train", f"output={finished}", *TINY[1:], "models=[maskrcnn]"]
    words = [word for word in words if not word.startswith(("train.steps", BACKBONE))]
    words.append(f"{BACKBONE}=nano")  # the tests' own backbone is not known to another process
    long = [*words, "train.steps=30", "train.checkpoint_every=3"]
    code = f"import sys; from lesionseg import cli; sys.exit(cli.main({long!r}))"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    folder = finished / "models" / "maskrcnn"
    try:
        while not (folder / "checkpoint.safetensors").exists():
            assert child.poll() is None, child.stderr.read()
            time.sleep(0.05)
        child.terminate()
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 75, said
    assert said.splitlines()[-1].startswith("lesionseg: stopped by SIGTERM at step ")
    assert "Traceback" not in said
    assert not (folder / "model.json").exists()
    assert not list(finished.rglob(".partial-*"))
    done = read_progress(folder / "checkpoint.safetensors").step
    assert 3 <= done < 30
    assert cli.main(long) == 0
    kept = json.loads((folder / "model.json").read_text())
    assert kept["training"]["steps"] == 30
    steps = [int(row.split(",")[0]) for row in (folder / "log.csv").read_text().splitlines()[1:]]
    assert steps == sorted(steps)


def test_a_changed_setting_is_not_mixed_into_a_trained_model(finished, capsys):
    words = ["train", f"output={finished}", *TINY[1:], "models=[unet]", "train.learning_rate=0.01"]
    before = (finished / "models/unet/weights.safetensors").read_bytes()
    assert cli.main(words) == 0
    assert "unet: trained anew; changed: train" in capsys.readouterr().err
    changed = (finished / "models/unet/weights.safetensors").read_bytes()
    assert changed != before
    assert cli.main([*words, "train.resume=false"]) == 0
    assert (finished / "models/unet/weights.safetensors").read_bytes() == changed


def test_train_before_preprocess_is_exit_2(tmp_path, capsys):
    assert cli.main(["train", f"output={tmp_path}", *TINY[1:]]) == 2
    error = capsys.readouterr().err
    assert "/preprocessed was not done; run lesionseg preprocess first" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("device=gpu", "device is 'gpu'"),
        ("models=[resnet]", "known: unet, unet3d, maskrcnn"),
        ("models=[]", "known: unet, unet3d, maskrcnn"),
        ("train.steps=null", "no training budget"),
        ("network.unet.loss=hinge", "loss is 'hinge', known: cross_entropy"),
    ],
)
def test_what_training_cannot_do_is_exit_2(finished, capsys, word, said):
    shutil.rmtree(finished / "models")
    assert rerun(finished, word) == 2
    error = capsys.readouterr().err
    assert said in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not list(finished.rglob("model.json"))


@pytest.mark.slow
def test_a_run_with_bad_scans_on_both_sides_goes_on_with_the_others(finished, capsys):
    lose_a_channel(finished / "phantom", "phantom_train003")
    bad = finished / "phantom/imagesTs/phantom_test001_0001.nii.gz"
    bad.write_bytes(bad.read_bytes()[:2000])
    words = ["models=[unet]", "train.steps=2", "train.resume=false", "edges_mm=[2,4]"]
    assert rerun(finished, *words) == 5
    said = capsys.readouterr()
    rejected = [line for line in said.err.splitlines() if line.startswith("rejected: ")]
    assert len(rejected) == 2
    assert "case phantom_train003: missing channel T1" in rejected[0]
    assert "case phantom_test001: phantom_test001_0001.nii.gz ends inside" in rejected[1]
    assert "under 2 mm" in said.out
    assert said.out.rstrip().endswith("report.html")
    cases = (finished / "report/cases.csv").read_text()
    assert "phantom_test000" in cases
    assert "phantom_test001" not in cases
    assert not list(finished.rglob(".partial-*"))


def test_the_demo_is_the_same_run_with_a_budget_of_its_own(finished, capsys):
    budget = json.loads((finished / "models/unet/model.json").read_text())["training"]["steps"]
    assert cli.main(["demo", f"output={finished}", *PHANTOM, *RUN, "models=[unet]"]) == 0
    said = capsys.readouterr()
    assert f"unet: {budget} steps" in said.err  # the steps end it before its minutes
    assert "under 3 mm" in said.out
    assert said.out.rstrip().endswith("report.html")


def test_without_a_reference_a_run_ends_with_its_masks(finished, capsys):
    shutil.rmtree(finished / "phantom/labelsTs")
    shutil.rmtree(finished / "report")
    assert rerun(finished) == 0
    assert "no test scan has a reference mask" in capsys.readouterr().out
    assert not (finished / "report").exists()
