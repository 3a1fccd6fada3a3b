"""Worker processes end with their parent, write only while the run holds its lock, and one that
dies rejects its case alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from lesionseg.errors import LockedError, OutputError
from lesionseg.storage import process_pool
from lesionseg.storage.atomic import replacing, write_text
from lesionseg.storage.lock import NAME, locked
from lesionseg.storage.process_pool import ENDED, case_pool, for_each_case

PARENT = """
import sys, time
from pathlib import Path
from test_process_pool import slow
from lesionseg.storage.lock import locked
from lesionseg.storage.process_pool import case_pool, for_each_case

if __name__ == "__main__":
    with locked(Path(sys.argv[1])), case_pool(2) as pool:
        tasks = {str(n): (Path(sys.argv[1]), n) for n in range(8)}
        for_each_case(pool, slow, tasks, title="slow", progress=False)
"""


def slow(task):
    folder, number = task
    (folder / f"begun{number}").touch()
    time.sleep(1.0)
    write_text(folder / f"done{number}", "x")


def write(task):
    write_text(*task)


def square_or_die(number):
    if number == 0:
        os._exit(9)
    return number**2


def die_at_first(mark):
    if not mark.exists():
        mark.touch()
        os._exit(9)


def backtrack(length):
    return re.match("(a+)+$", "a" * length + "b")  # twice the time for each letter more


def compute(seconds):
    begin = time.process_time()
    while time.process_time() < begin + seconds:
        pass
    return time.process_time()


def core_limit():
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def die_while_writing(path):
    with replacing(path) as partial:
        if path.name == "a":
            partial.write_text("half")
            os._exit(9)


def too_much(task):
    if task:
        raise MemoryError
    return "fits"


def test_workers_end_with_a_parent_that_is_killed_and_write_nothing_more(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    folder = tmp_path / "out"
    where = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, str(script), str(folder)], env=os.environ | {"PYTHONPATH": where}
    )
    try:
        deadline = time.monotonic() + 120
        while not list(folder.glob("begun*")):
            assert time.monotonic() < deadline
            assert parent.poll() is None
            time.sleep(0.02)
        children = psutil.Process(parent.pid).children(recursive=True)
    finally:
        parent.kill()
        parent.wait()
    assert len(children) >= 2
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert not list(folder.glob("begun[4-7]"))


def test_a_worker_writes_nothing_after_its_run_lost_the_folder(tmp_path):
    out = tmp_path / "out"
    with locked(out), case_pool(1) as pool:
        for_each_case(pool, write, {"a": (out / "a", "x")}, title="first", progress=False)
        mine = (out / NAME).read_text()
        (out / NAME).write_text('{"host": "other", "pid": 7, "token": "theirs"}')
        with pytest.raises(LockedError, match="taken over by another run"):
            for_each_case(pool, write, {"b": (out / "b", "x")}, title="then", progress=False)
        (out / NAME).write_text(mine)
    assert (out / "a").exists()
    assert not (out / "b").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_ends_its_process_is_rejected_alone(workers):
    tasks = {"a": 2, "bad": 0, "b": 3, "worse": 0, "c": 4}
    with case_pool(workers) as pool:
        for _ in range(2):  # the pool works on after a break
            done, rejected = for_each_case(pool, square_or_die, tasks, title="w", progress=False)
            assert list(done.items()) == [("a", 4), ("b", 9), ("c", 16)]
            assert rejected == {"bad": f"case bad: {ENDED}", "worse": f"case worse: {ENDED}"}


def test_a_task_that_lives_alone_is_no_rejection(tmp_path):
    """As one that took too much memory beside another."""
    tasks = {name: tmp_path / name for name in "abc"}
    (tmp_path / "b").touch()
    (tmp_path / "c").touch()
    with case_pool(2) as pool:
        done, rejected = for_each_case(pool, die_at_first, tasks, title="w", progress=False)
    assert list(done) == ["a", "b", "c"]
    assert rejected == {}


def test_where_every_task_ends_its_process_all_are_rejected():
    tasks = dict.fromkeys("abc", 0)
    with case_pool(2) as pool:
        done, rejected = for_each_case(pool, square_or_die, tasks, title="w", progress=False)
    assert done == {}
    assert rejected == {name: f"case {name}: {ENDED}" for name in "abc"}


@pytest.mark.skipif(os.name == "nt", reason="no limit on Windows")
def test_a_task_that_computes_for_ever_in_c_is_rejected_alone(monkeypatch):
    monkeypatch.setattr(process_pool, "CPU_SECONDS", 1.0)
    tasks = {"a": 3, "endless": 40, "b": 4}
    with case_pool(2) as pool:
        done, rejected = for_each_case(pool, backtrack, tasks, title="w", progress=False)
    assert list(done) == ["a", "b"]
    assert rejected == {"endless": f"case endless: {ENDED}"}


@pytest.mark.skipif(os.name == "nt", reason="no limit on Windows")
def test_each_task_has_seconds_of_its_own(monkeypatch):
    monkeypatch.setattr(process_pool, "CPU_SECONDS", 2.0)
    tasks = {str(number): 0.7 for number in range(5)}
    with case_pool(1) as pool:
        done, rejected = for_each_case(pool, compute, tasks, title="w", progress=False)
        core = pool.submit(core_limit).result()
    assert rejected == {}
    assert max(done.values()) > 3.0  # together more than one may take
    assert core == 0  # no scan in a core file


def test_what_a_process_left_half_written_is_removed(tmp_path):
    out = tmp_path / "out"
    with locked(out), case_pool(1) as pool:
        tasks = {"a": out / "a", "b": out / "b"}
        done, rejected = for_each_case(pool, die_while_writing, tasks, title="w", progress=False)
        left = sorted(path.name for path in out.iterdir())
    assert (list(done), list(rejected)) == (["b"], ["a"])
    assert left == [NAME, "b"]


def test_processes_that_cannot_start_are_one_line(tmp_path):
    """As those of a script that starts its work wherever it is imported."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from lesionseg.storage.process_pool import case_pool, for_each_case\n"
        "with case_pool(1) as pool:\n"
        "    for_each_case(pool, abs, {'a': 1}, title='w', progress=False)\n"
    )
    run = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stderr.splitlines()[-1].startswith(
        "lesionseg.errors.LesionsegError: worker processes end as soon as they are started"
    )


def ask_for_everything(task):
    return np.zeros(1 << 50, np.uint8).size if task else "fits"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux' own")
def test_a_worker_that_asks_for_more_than_there_is_rejects_its_case_alone():
    tasks = {"a": 1, "b": 0, "c": 0}
    with case_pool(1) as pool:
        done, rejected = for_each_case(pool, ask_for_everything, tasks, title="w", progress=False)
        limit = pool.submit(address_space).result()
    assert done == {"b": "fits", "c": "fits"}
    assert "a: it takes more memory than there is" in rejected["a"]
    assert 0 < limit < 2 * psutil.virtual_memory().total + (8 << 30)


def address_space():
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0]


def test_a_case_without_memory_does_not_end_the_others():
    done, rejected = for_each_case(None, too_much, {"a": 1, "b": 0}, title="w", progress=False)
    assert done == {"b": "fits"}
    assert rejected == {
        "a": "case a: it takes more memory than there is; check its spacing and size, or crop it"
    }


def test_a_folder_that_was_removed_is_not_made_again(tmp_path):
    out = tmp_path / "out"

    def run():
        with locked(out):
            out.rename(tmp_path / "elsewhere")
            write_text(out / "result", "x")

    with pytest.raises(OutputError, match="was removed, moved or replaced"):
        run()
    assert not out.exists()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [NAME]


def test_a_run_whose_folder_is_gone_at_the_end_says_so(tmp_path):
    out = tmp_path / "out"

    def run():
        with locked(out):
            write_text(out / "result", "x")
            out.rename(tmp_path / "elsewhere")

    with pytest.raises(OutputError, match="was removed, moved or replaced"):
        run()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("through", ["out", "link"])
def test_nothing_is_written_through_a_link_below_the_output_folder(tmp_path, through):
    theirs, out = tmp_path / "theirs", tmp_path / "out"
    theirs.mkdir()
    out.mkdir()
    (tmp_path / "link").symlink_to(out)  # the output folder itself may be one
    (out / "figures").symlink_to(theirs)
    with locked(tmp_path / through):
        write_text(tmp_path / through / "plain", "x")
        with pytest.raises(OutputError, match=r"figures in output .* is a link"):
            write_text(tmp_path / through / "figures" / "a", "x")
    assert list(theirs.iterdir()) == []
    assert (out / "plain").exists()
