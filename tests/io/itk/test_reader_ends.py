"""The reader's process ends with the one that started it, whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

PARENT = """
import time
from lesionseg.io.itk import process
child = process._running()
process.ask({"do": "slice_headers", "paths": []}, "none", "none")  # it has begun to answer
print(child.pid, flush=True)
time.sleep(100)
"""


def killed_parent(before_kill):
    """The reader of a parent that is killed; before_kill: what is done to the reader."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            reader = psutil.Process(int(parent.stdout.readline()))
            before_kill(reader)
        finally:
            parent.kill()
            parent.wait()
    return reader


def test_a_reader_that_waits_ends_with_its_parent():
    reader = killed_parent(lambda reader: None)
    assert psutil.wait_procs([reader], timeout=20)[1] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="by Linux' own signal")
def test_a_reader_that_cannot_look_up_ends_too():
    """As one deep in a computation; a stopped process notices no end of its input."""
    reader = killed_parent(lambda reader: os.kill(reader.pid, signal.SIGSTOP))
    assert psutil.wait_procs([reader], timeout=20)[1] == []
