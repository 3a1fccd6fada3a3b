"""Worker processes end with their parent and write only while the run holds its lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from lesionseg.errors import LesionsegError, LockedError, OutputError
from lesionseg.storage.atomic import write_text
from lesionseg.storage.lock import NAME, locked
from lesionseg.storage.process_pool import case_pool, for_each_case

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


def die(task):
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


def test_a_worker_that_is_killed_is_one_line(tmp_path):
    with case_pool(1) as pool:
        for _ in range(2):  # a pool that is broken refuses its next work, too
            with pytest.raises(LesionsegError, match="a worker process died during work"):
                for_each_case(pool, die, {"a": 1, "b": 2}, title="work", progress=False)


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
