"""SimpleITK in a child process, so that its crash or hang costs one case.

The child is started when first asked and answers for all files after. Memory and time are limited;
a child that dies, or takes too long, is replaced at the next question. Works in worker processes.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import IO, Any

from lesionseg.errors import CaseError
from lesionseg.storage.memory import SHARE, free_memory

START = (  # the parent's import path and no other: no module is taken from a folder of data
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from lesionseg.io.itk.worker import main; main()"
)
BASE_SECONDS = 60.0
SECONDS_PER_BYTE = 1e-6  # 1 MB/s: slower than any disk that is still in use


class _Child:
    """A running child and the lock of the one thread that may talk to it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None


_child = _Child()


def ask(request: dict[str, Any], name: str, case: str, *, stored: int = 0) -> tuple[Any, bytes]:
    """The child's answer to one request of `worker`: its facts, and its voxels.

    name: of the file, for messages. stored: bytes there are to read, for the time limit. Raises
    CaseError where SimpleITK refuses the file, crashes, runs out of memory or takes too long.
    """
    for path in [request.get("path", ""), *request.get("paths", [])]:
        if any(0xD800 <= ord(letter) <= 0xDFFF for letter in path):  # as Python keeps such bytes
            words = f"{os.path.basename(path)!a} or its folder is named in no UTF-8; rename it"
            raise CaseError(case, words)
    limit = BASE_SECONDS + SECONDS_PER_BYTE * stored
    request = {**request, "memory": int(SHARE * free_memory()), "seconds": limit}
    late = threading.Event()
    with _child.lock:
        process = _running()
        stdin, stdout = _pipes(process)

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, end)
        timer.daemon = True
        timer.start()
        whole, trouble = False, None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
            facts = json.loads(line)
            body = stdout.read(facts["bytes"])
            whole = len(body) == facts["bytes"]
        except (OSError, ValueError) as error:  # it died while it was spoken to
            trouble = error
        finally:
            timer.cancel()
            if not whole:  # interrupted, too: half an answer must not be taken for the next one's
                _stop()
    if late.is_set():
        words = f"{name} took its reader more than {limit:.0f} s; convert it"
        raise CaseError(case, words) from trouble
    if not whole:
        reason = _reason(process.returncode)
        words = f"{name} made its reader crash ({reason}); convert it or copy again"
        raise CaseError(case, words) from trouble
    if "error" in facts:
        problem = _without_folders(facts["error"], request)
        raise CaseError(case, f"{name} cannot be read: {problem}")
    return facts, body


def _running() -> subprocess.Popen[bytes]:
    if _child.process is None or _child.process.poll() is not None:
        _stop()
        _child.process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps([path for path in sys.path if path])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return _child.process


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _stop() -> None:
    """End the child, if there is one, and take its pipes down."""
    process, _child.process = _child.process, None
    if process is None:
        return
    process.kill()
    process.wait()
    for pipe in _pipes(process):
        with contextlib.suppress(OSError):
            pipe.close()


def _forget() -> None:
    """After a fork the child belongs to the parent alone."""
    _child.lock = threading.Lock()
    _child.process = None


def _reason(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _without_folders(text: str, request: dict[str, Any]) -> str:
    """SimpleITK quotes whole paths; the file's name says enough."""
    for path in [request.get("path"), *request.get("paths", [])]:
        if path is not None:
            text = text.replace(str(path), os.path.basename(path))
            text = text.replace(os.path.dirname(path), "")
    return " ".join(text.split())


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
