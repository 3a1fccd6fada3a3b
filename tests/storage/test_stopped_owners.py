"""An owner of a lock that is stopped, on this host and on another, and clocks that are set."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

import psutil
import pytest
from lock_owners import another_process, left_by

from lesionseg.errors import LockedError
from lesionseg.storage import atomic, lock_file
from lesionseg.storage.atomic import replacing
from lesionseg.storage.lock import NAME, locked, sweep


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process")
def test_an_owner_of_this_host_that_is_stopped_is_not_robbed(tmp_path):
    with another_process(tmp_path) as owner:
        os.kill(owner.pid, signal.SIGSTOP)
        try:
            os.utime(tmp_path / NAME, (1, 1))
            with pytest.raises(LockedError, match=f"pid {owner.pid}"), locked(tmp_path):
                pass
        finally:
            os.kill(owner.pid, signal.SIGCONT)


def test_a_clock_that_is_set_makes_the_owner_no_other(tmp_path, monkeypatch):
    """psutil counts the start of a process from the clock, which may be set meanwhile."""
    with another_process(tmp_path) as owner:
        really = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda one: really(one) + 3600)
        monkeypatch.setattr(time, "time", lambda: 0.0)
        if os.path.exists("/proc/self/stat"):
            with pytest.raises(LockedError, match=f"pid {owner.pid}"), locked(tmp_path):
                pass


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="of Linux")
def test_a_process_number_of_another_start_is_not_the_owner(tmp_path):
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "started": "boot 7", "token": "x"}
    (tmp_path / NAME).write_text(json.dumps(owner))
    with locked(tmp_path):
        holds = json.loads((tmp_path / NAME).read_text())
    assert holds["pid"] == os.getpid()
    assert holds["token"] != "x"


def test_a_file_server_whose_clock_was_set_does_not_make_a_beating_owner_dead(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(lock_file, "BEAT_SECONDS", 0.2)
    path = left_by(tmp_path, host="elsewhere", age_seconds=5000)
    moments = iter(range(1000, 2000))
    really = time.sleep
    monkeypatch.setattr(
        lock_file.time, "sleep", lambda _: (really(0.01), os.utime(path, (next(moments),) * 2))
    )
    with pytest.raises(LockedError, match="elsewhere"), locked(tmp_path):
        pass


def test_a_robbed_owner_cannot_finish_what_it_was_writing(tmp_path):
    """Stopped just before its file takes its name, after the last look at the lock."""

    def writes():
        with locked(tmp_path), replacing(tmp_path / "result") as partial:
            partial.write_text("half")
            os.utime(tmp_path / NAME, (1, 1))
            content = json.loads((tmp_path / NAME).read_text()) | {"host": "elsewhere"}
            (tmp_path / NAME).write_text(json.dumps(content))
            os.utime(tmp_path / NAME, (1, 1))
            monkey.setattr(lock_file, "BEAT_SECONDS", 0.01)
            # what another process does
            lock_file.take(tmp_path / NAME, "theirs", lambda owner: "taken")
            sweep(tmp_path, content["token"])
            monkey.setattr(atomic, "check_still_held", lambda path: None)

    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(lock_file, "BEAT_SECONDS", 60.0)
        with pytest.raises(LockedError, match="taken over"):
            writes()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
