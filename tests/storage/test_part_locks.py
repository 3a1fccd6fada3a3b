"""Several jobs in one output folder, each with the lock of its part of the cases."""

from __future__ import annotations

import json
import os
import socket

import pytest
from lock_owners import a_dead_pid

from lesionseg.errors import LockedError
from lesionseg.storage.atomic import replacing
from lesionseg.storage.lock import NAME, locked, part_locked, parts_at_work, parts_locked


def test_jobs_of_parts_and_a_run_of_all_refuse_each_other(tmp_path):
    with parts_locked(tmp_path), part_locked(tmp_path, "1-of-2", "shard 1 of 2"):
        pass
    with locked(tmp_path):
        content = json.loads((tmp_path / NAME).read_text()) | {"pid": os.getppid(), "started": None}
        (tmp_path / ".lesionseg.part-0-of-2.lock").write_text(json.dumps(content | {"token": "y"}))
    with pytest.raises(LockedError, match=f"pid {os.getppid()}"), locked(tmp_path):
        pass
    (tmp_path / ".lesionseg.part-0-of-2.lock").rename(tmp_path / NAME)
    with pytest.raises(LockedError, match=f"pid {os.getppid()}"), parts_locked(tmp_path):
        pass


def test_a_second_job_of_a_part_is_refused_and_another_part_is_not(tmp_path):
    with part_locked(tmp_path, "0-of-2", "shard 0 of 2"):
        with (
            pytest.raises(LockedError, match=r"shard 0 of 2 of output \S+ is being written"),
            part_locked(tmp_path, "0-of-2", "shard 0 of 2"),
        ):
            pass
        with part_locked(tmp_path, "1-of-2", "shard 1 of 2"):
            assert parts_at_work(tmp_path) == ["0-of-2", "1-of-2"]
    assert list(tmp_path.iterdir()) == []


def test_whoever_takes_over_a_part_leaves_what_others_are_writing(tmp_path):
    dead = {"host": socket.gethostname(), "pid": a_dead_pid(), "token": "d" * 32}
    (tmp_path / ".lesionseg.part-0-of-2.lock").write_text(json.dumps(dead))
    (tmp_path / f".partial-{'d' * 12}-abc.json").touch()
    (tmp_path / f".partial-{'e' * 12}-abc.json").touch()
    with part_locked(tmp_path, "0-of-2", "shard 0 of 2"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [f".partial-{'e' * 12}-abc.json"]


def test_a_half_written_file_bears_the_mark_of_its_lock(tmp_path):
    with part_locked(tmp_path, "0-of-2", "shard 0 of 2"):
        token = json.loads((tmp_path / ".lesionseg.part-0-of-2.lock").read_text())["token"]
        with replacing(tmp_path / "result") as partial:
            assert partial.name.startswith(f".partial-{token[:12]}-")
