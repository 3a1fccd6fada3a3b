"""Owners of locks: processes that hold one, and what they leave."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

from lesionseg.storage.lock import NAME

HOLD = """
import sys, time
from pathlib import Path
from lesionseg.storage.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(folder, code=HOLD):
    """A process that holds a lock of the folder; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def left_by(folder, *, host=None, pid=1, age_seconds=0.0):
    path = folder / NAME
    path.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid, "token": "x"}))
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return path


def a_dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
