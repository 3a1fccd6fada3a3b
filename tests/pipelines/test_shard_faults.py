"""Jobs of shards that are stopped, killed, started twice, or run out of disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import time

import pytest
from lock_owners import another_process
from tiny_run import predict

from lesionseg.storage import atomic, lock_file
from lesionseg.storage.lock import NAME

NUM = 2
HOLD_PART = """
import sys, time
from pathlib import Path
from lesionseg.storage.atomic import replacing
from lesionseg.storage.lock import part_locked
with part_locked(Path(sys.argv[1]), "0-of-2", "shard 0 of 2"):
    with replacing(Path(sys.argv[1]) / "phantom_test000.nii.gz"):
        print("held", flush=True)
        time.sleep(60)
"""
LOCK = ".lesionseg.part-0-of-2.lock"


def shard(finished, number, *words):
    return predict(finished, f"shard={number}", f"num_shards={NUM}", *words)


def files(folder):
    """Every file but the records of jobs, hidden ones too."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "shards"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def whole(finished):
    assert predict(finished, f"output={finished / 'whole'}") == 0
    return files(finished / "whole")


def test_a_second_job_of_a_shard_and_a_run_of_all_are_refused(finished, capsys):
    out = finished / "out"
    with another_process(out, HOLD_PART) as owner:
        capsys.readouterr()
        assert shard(finished, 0) == 7
        said = capsys.readouterr().err
        assert "shard 0 of 2 of output out is being written by another run (host " in said
        assert f"pid {owner.pid}" in said
        assert predict(finished) == 7
        assert f"pid {owner.pid}" in capsys.readouterr().err
        assert shard(finished, 1) == 0  # another shard is not in its way
    with another_process(out):
        assert shard(finished, 0) == 7
        assert "output out is being written by another run" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process")
def test_a_shard_that_is_stopped_is_not_robbed(finished, capsys):
    out = finished / "out"
    with another_process(out, HOLD_PART) as owner:
        os.kill(owner.pid, signal.SIGSTOP)
        try:
            os.utime(out / LOCK, (1, 1))  # as after hours without a heartbeat
            assert shard(finished, 0) == 7
        finally:
            os.kill(owner.pid, signal.SIGCONT)


def test_a_killed_shard_is_taken_over_and_leaves_nothing(finished, whole):
    out = finished / "out"
    with another_process(out, HOLD_PART):
        pass  # killed while it wrote a mask
    assert len(list(out.glob(".*"))) == 2
    assert shard(finished, 1) == 0
    assert shard(finished, 0) == 0
    assert files(out) == whole


def test_a_shard_of_another_host_that_slept_too_long_stops_before_it_writes(
    finished, capsys, monkeypatch
):
    """Its heart did not beat for long, another job took over, and then it goes on."""
    monkeypatch.setattr(lock_file, "BEAT_SECONDS", 60.0)
    out = finished / "out"
    really, written = atomic._sync_folder, []

    def sleep_after_the_first_file(folder):
        really(folder)
        if folder.name == "instances" and not written:
            written.append(folder)
            (out / LOCK).unlink()
            (out / LOCK).write_text(json.dumps({"host": "b", "pid": 3, "token": "theirs"}))

    monkeypatch.setattr(atomic, "_sync_folder", sleep_after_the_first_file)
    assert shard(finished, 0) == 7
    said = capsys.readouterr().err
    assert "output out was taken over by another run (host b, pid 3)" in said
    assert written
    assert not list(out.glob("*.nii.gz"))
    assert json.loads((out / LOCK).read_text())["token"] == "theirs"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ESTALE])
def test_a_shard_that_cannot_write_says_so_and_goes_on_later(
    finished, whole, capsys, monkeypatch, number
):
    really, broken = os.replace, []

    def replace(source, target):
        if str(target).endswith(".nii.gz") and not broken:
            broken.append(target)
            raise OSError(number, os.strerror(number))
        really(source, target)

    monkeypatch.setattr(atomic.os, "replace", replace)
    codes = [shard(finished, 0), shard(finished, 1)]
    assert sorted(codes) == [0, 6]
    error = capsys.readouterr().err
    assert os.strerror(number) in error
    out = finished / "out"
    assert not (out / "scans.csv").exists()
    assert shard(finished, codes.index(6)) == 0
    assert files(out) == whole


def test_clocks_that_differ_by_hours_change_nothing(finished, whole, monkeypatch):
    out = finished / "out"
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 7200)
    assert shard(finished, 0) == 0
    monkeypatch.setattr(time, "time", lambda: now() + 7200)
    assert shard(finished, 1) == 0
    assert files(out) == whole
    assert not (out / NAME).exists()
