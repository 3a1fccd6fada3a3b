"""One run at a time in an output folder, with real processes for the owners."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from lock_owners import a_dead_pid, another_process, left_by

from lesionseg import cli
from lesionseg.errors import LockedError, OutputError
from lesionseg.storage import lock_file
from lesionseg.storage.atomic import write_text
from lesionseg.storage.lock import NAME, locked


def test_a_second_run_is_told_host_and_pid_and_a_killed_owner_is_taken_over(tmp_path):
    with another_process(tmp_path) as owner:
        for _ in range(2):  # being refused changes nothing
            with pytest.raises(LockedError) as caught, locked(tmp_path):
                pass
            assert f"host {socket.gethostname()}, pid {owner.pid}" in str(caught.value)
            assert str(tmp_path.parent) not in str(caught.value)
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_exits_with_7(tmp_path, capsys):
    with another_process(tmp_path / "run"):
        words = ["preprocess", f"output={tmp_path / 'run'}", "workers=0"]
        assert cli.main(words) == LockedError.exit_code == 7
    assert "another run" in capsys.readouterr().err


def test_the_lock_goes_with_an_error_inside(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_stages_of_one_process_may_call_each_other(tmp_path):
    with locked(tmp_path):
        with locked(tmp_path / "below" / ".."):
            pass
        assert (tmp_path / NAME).exists()
    assert not (tmp_path / NAME).exists()


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch):
    monkeypatch.setattr(lock_file, "BEAT_SECONDS", 0.05)


@pytest.mark.parametrize(
    ("left", "free"),
    [
        ({"pid": os.getpid()}, False),
        ({"pid": "dead"}, True),
        ({"host": "elsewhere", "pid": "dead"}, False),  # of that host's pids nothing is known
        ({"host": "elsewhere", "age_seconds": 1000}, True),
        ({"pid": os.getpid(), "age_seconds": 1000}, True),
    ],
)
def test_who_counts_as_gone(tmp_path, left, free):
    if left.get("pid") == "dead":
        left = {**left, "pid": a_dead_pid()}
    path = left_by(tmp_path, **left)
    if free:
        with locked(tmp_path):
            pass
        assert not path.exists()
        return
    with pytest.raises(LockedError, match=str(left.get("host", left.get("pid")))), locked(tmp_path):
        pass
    assert path.exists()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": "x"}'])
def test_a_garbled_lock_is_somebodys_until_it_is_old(tmp_path, content):
    (tmp_path / NAME).write_text(content)
    with pytest.raises(LockedError, match=r"unknown|pid x"), locked(tmp_path):
        pass
    os.utime(tmp_path / NAME, (1, 1))
    with locked(tmp_path):
        pass


def test_the_heartbeat_keeps_a_lock_young(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_file, "BEAT_SECONDS", 0.01)
    with locked(tmp_path):
        os.utime(tmp_path / NAME, (1, 1))
        for _ in range(500):
            if (tmp_path / NAME).stat().st_mtime > 1:
                break
            time.sleep(0.01)
        assert (tmp_path / NAME).stat().st_mtime > 1


def test_of_many_who_find_it_dead_one_takes_over(tmp_path):
    left_by(tmp_path, pid=a_dead_pid())
    start, got, refused = threading.Barrier(8), [], []

    def attempt(number):
        start.wait()
        try:
            lock_file.take(tmp_path / NAME, str(number), lambda owner: "taken")
        except LockedError:
            refused.append(number)
        else:
            got.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(refused) == 7
    assert json.loads((tmp_path / NAME).read_text())["token"] == str(got[0])


def test_a_folder_that_was_made_and_stayed_empty_goes_again(tmp_path):
    with locked(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "result").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["result"]


def test_where_a_file_stands_nothing_can_be_locked(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write into"), locked(tmp_path / "file"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no zombies")
def test_a_zombie_is_gone(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    path = left_by(tmp_path, pid=process.pid)
    with locked(tmp_path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    process.wait()


def test_a_process_number_that_was_given_again_is_not_the_owner(tmp_path):
    """As after a restart of a container, in which every run is process 1."""
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "started": 1.5, "token": "x"}
    path = tmp_path / NAME
    path.write_text(json.dumps(owner))
    with locked(tmp_path):
        assert json.loads(path.read_text())["token"] != "x"


def test_of_processes_in_another_namespace_the_heartbeat_tells(tmp_path):
    dead = {"host": socket.gethostname(), "pid": a_dead_pid(), "namespace": "pid:[7]", "token": "x"}
    path = tmp_path / NAME
    path.write_text(json.dumps(dead))
    with pytest.raises(LockedError, match=r"delete \.lesionseg\.lock"), locked(tmp_path):
        pass
    os.utime(path, (1, 1))
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("beats", [True, False])
def test_a_heartbeat_from_the_future_is_watched(tmp_path, monkeypatch, beats):
    monkeypatch.setattr(lock_file, "BEAT_SECONDS", 0.2)
    path = left_by(tmp_path, host="elsewhere", age_seconds=-5000)
    later = [time.time() + 5000 + n for n in range(200)]

    def touch():
        for moment in later:
            time.sleep(0.05)
            if not path.exists():
                return
            os.utime(path, (moment, moment))

    if not beats:
        with locked(tmp_path):
            pass
        return
    thread = threading.Thread(target=touch)
    thread.start()
    try:
        with pytest.raises(LockedError), locked(tmp_path):
            pass
    finally:
        path.unlink(missing_ok=True)
        thread.join()


def test_a_process_killed_while_it_took_over_does_not_lock_for_ever(tmp_path):
    left_by(tmp_path, pid=a_dead_pid())
    guard = tmp_path / f"{NAME}.takeover"
    guard.write_text(json.dumps({"host": socket.gethostname(), "pid": a_dead_pid(), "token": "y"}))
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_half_written_files_of_a_killed_run_are_swept_by_the_next(tmp_path):
    left_by(tmp_path, pid=a_dead_pid())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ".partial-abc.json").touch()
    (tmp_path / "models" / "kept.json").touch()
    with locked(tmp_path):
        pass
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["kept.json"]


def test_an_owner_that_slept_finds_the_other_before_it_writes(tmp_path):
    def slept():
        with locked(tmp_path):
            (tmp_path / NAME).write_text(json.dumps({"host": "b", "pid": 3, "token": "theirs"}))
            write_text(tmp_path / "result", "x")

    with pytest.raises(LockedError, match="taken over by another run \\(host b, pid 3\\)"):
        slept()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]  # the other's
