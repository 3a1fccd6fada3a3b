"""Several jobs preprocess into one run folder, in two steps with the plan between."""

from __future__ import annotations

import shutil
from pathlib import Path

import blosc2
import numpy as np
import pytest

from lesionseg import cli
from lesionseg.preprocessing import measuring
from lesionseg.storage.parts import shard_of

NUM = 3


@pytest.fixture
def scans(run_folder, tmp_path):
    return shutil.copytree(run_folder / "phantom", tmp_path / "scans")


def preprocess(scans, output, *words):
    base = ["preprocess", "data=nnunet", f"data.root={scans}", f"output={output}", "workers=0"]
    return cli.main([*base, *words])


def shard(scans, output, step, number, *words):
    own = (f"step={step}", f"shard={number}", f"num_shards={NUM}")
    return preprocess(scans, output, *own, *words)


def content(path):
    """Of an array its voxels: the same ones may be compressed to other bytes."""
    if path.suffix == ".b2nd":
        return np.asarray(blosc2.open(str(path), mode="r")[:]).tobytes()
    return path.read_bytes()


def files(folder):
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): content(path)
        for path in found
        if "shards" not in path.relative_to(folder).parts
    }


def test_shards_leave_what_one_process_leaves(scans, tmp_path, capsys):
    (scans / "imagesTr/phantom_train001_0000.nii.gz").write_bytes(b"")  # one is rejected
    assert preprocess(scans, tmp_path / "whole") == 5
    out = tmp_path / "out"
    for number in (1, 2, 0):
        assert not (out / "preprocessed/plan.yaml").exists()
        assert shard(scans, out, "fingerprint", number) in (0, 5)
    assert "4 cases to make with step=cases, 1 rejected" in capsys.readouterr().out
    assert not (out / "preprocessed/fingerprints").exists()
    codes = set()
    for number in (2, 0, 1):
        assert not (out / "preprocessed/preprocess.json").exists()
        codes = shard(scans, out, "cases", number)
    assert codes == 5
    assert "0 made, 4 there already, 1 rejected" in capsys.readouterr().out
    assert files(out) == files(tmp_path / "whole")


def test_the_second_step_says_what_the_first_lacks(scans, tmp_path, capsys):
    out = tmp_path / "out"
    assert shard(scans, out, "cases", 0) == 2
    assert "step=cases needs the plan that step=fingerprint makes" in capsys.readouterr().err
    for number in (0, 2):
        assert shard(scans, out, "fingerprint", number) == 0
    assert shard(scans, out, "cases", 0) == 2
    assert capsys.readouterr().err.endswith("output out: shard 1 of 3 did not end\n")
    assert cli.main(["finish", f"output={out}"]) == 2
    assert "shard 1 of 3 did not end" in capsys.readouterr().err
    assert shard(scans, out, "fingerprint", 1) == 0
    assert shard(scans, out, "cases", 0, "plan.in_plane_spacing_mm=1.5") == 2
    assert "settings changed since the plan was made" in capsys.readouterr().err
    assert not (out / "preprocessed/preprocess.json").exists()


def test_a_killed_job_measures_only_what_it_had_not(scans, tmp_path, monkeypatch):
    out = tmp_path / "out"
    really, measured = measuring.take_fingerprint, []

    def count(scan, *rest):
        measured.append(scan.case)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return really(scan, *rest)

    monkeypatch.setattr(measuring, "take_fingerprint", count)
    words = ("step=fingerprint", "shard=0", "num_shards=1")
    assert preprocess(scans, out, *words) == 75
    assert preprocess(scans, out, *words) == 0
    twice = [case for case in measured if measured.count(case) > 1]
    assert twice == [measured[2]] * 2
    assert len(set(measured)) == 5


def test_a_job_started_again_after_the_end_leaves_the_same(scans, tmp_path):
    out = tmp_path / "out"
    for step in ("fingerprint", "cases"):
        for number in range(NUM):
            assert shard(scans, out, step, number) == 0
    before = files(out)
    assert shard(scans, out, "fingerprint", 1) == 0
    assert shard(scans, out, "cases", 1) == 0
    assert cli.main(["finish", f"output={out}"]) == 0
    assert files(out) == before


def test_a_case_that_is_gone_is_named(scans, tmp_path, capsys):
    out = tmp_path / "out"
    for step in ("fingerprint", "cases"):
        for number in range(NUM):
            assert shard(scans, out, step, number) == 0
    (case,) = (path.stem for path in (out / "preprocessed").glob("phantom_train003.json"))
    (out / "preprocessed" / f"{case}.json").unlink()
    lost = shard_of(case, NUM)
    assert cli.main(["finish", f"output={out}"]) == 2
    assert f"case {case} was made by shard {lost} of 3, and is gone" in capsys.readouterr().err
    assert shard(scans, out, "cases", lost) == 0


def test_keys_of_steps_that_do_not_fit_are_one_line(scans, tmp_path, capsys):
    for words, said in (
        (("shard=0", "num_shards=2"), "a part of the cases needs step=fingerprint"),
        (("step=cases",), "step is of jobs with shard=I num_shards=N"),
    ):
        assert preprocess(scans, tmp_path / "out", *words) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    words = ["preprocess", f"output={tmp_path / 'out'}", "shard=0", "num_shards=2", "step=cases"]
    assert cli.main(words) == 2
    assert "give data.root=DIR" in capsys.readouterr().err
