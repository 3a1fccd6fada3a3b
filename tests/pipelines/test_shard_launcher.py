"""All shards of a stage started by one command, with a launcher of Hydra."""

from __future__ import annotations

import json
import shutil

from test_preprocess_shards import files as prepared_files
from test_preprocess_shards import preprocess
from tiny_run import predict

from lesionseg import cli
from lesionseg.errors import OutputError
from lesionseg.stages import shard_prediction


def test_predict_starts_a_job_a_shard_and_finishes(finished, capsys):
    assert predict(finished, f"output={finished / 'whole'}") == 0
    said = capsys.readouterr().out
    assert predict(finished, "launcher=basic", "num_shards=3") == 0
    assert capsys.readouterr().out.replace("/out", "/whole").endswith(said)
    whole = (finished / "whole/lesions.csv").read_bytes()
    assert (finished / "out/lesions.csv").read_bytes() == whole


def test_preprocess_runs_both_steps(run_folder, tmp_path):
    scans = shutil.copytree(run_folder / "phantom", tmp_path / "scans")
    assert preprocess(scans, tmp_path / "whole") == 0
    assert preprocess(scans, tmp_path / "out", "launcher=basic", "num_shards=2") == 0
    assert prepared_files(tmp_path / "out") == prepared_files(tmp_path / "whole")


def test_a_job_that_fails_is_named_and_nothing_is_finished(finished, capsys, monkeypatch):
    words = ("launcher=basic", "num_shards=2", "score_threshold=0")
    assert predict(finished, *words) == 0
    really = shard_prediction.predict_each

    def fail_once(shares, *rest, **options):
        monkeypatch.setattr(shard_prediction, "predict_each", really)
        raise OutputError("cannot write a.nii.gz: No space left on device; free space")

    monkeypatch.setattr(shard_prediction, "predict_each", fail_once)
    assert predict(finished, *words[:2], "score_threshold=0.5") == 2
    error = capsys.readouterr().err.splitlines()
    assert "shard 0: cannot write a.nii.gz: No space left on device; free space" in error
    assert error[-1].startswith("lesionseg: output out is not complete: shard 0 of 2 did not end")
    assert not (finished / "out/scans.csv").exists()
    assert predict(finished, *words[:2], "score_threshold=0.5") == 0
    record = json.loads((finished / "out/phantom_test000.json").read_text())
    assert record["thresholds"][0]["score_threshold"] == 0.5


def test_a_launcher_that_is_not_there_is_one_line(finished, capsys):
    assert predict(finished, "launcher=warp", "num_shards=2") == 2
    error = capsys.readouterr().err
    assert "launcher warp cannot be used" in error
    assert error.count("\n") == 1
    words = ["report", "reference=a", "predictions.b=c", f"output={finished / 'out'}"]
    assert cli.main([*words, "launcher=warp", "num_shards=2"]) == 2
