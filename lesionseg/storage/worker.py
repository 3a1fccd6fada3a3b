"""What a worker process does: it works for its run alone, within limits, and ends with it."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from lesionseg.storage.lock import Held, hold_too
from lesionseg.storage.memory import SHARE, free_memory, limit_memory

LEAST_MEMORY = (
    4 << 30
)  # bytes that a worker may always ask for: libraries reserve more than they use

Task = TypeVar("Task")
Result = TypeVar("Result")


def start_worker(locks: Iterable[Held]) -> None:
    """Write only while the run holds its locks, take no more memory than there is, and end with the
    process that started this one.

    A pool's workers wait for work at pipes whose other end they hold themselves, so a parent that
    is killed does not end them.
    """
    hold_too(locks)
    limit_memory(max(LEAST_MEMORY, int(SHARE * free_memory())))
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_task(function: Callable[[Task], Result], task: Task, cpu_seconds: float) -> Result:
    """function(task); the process ends where that takes more than `cpu_seconds` of computing."""
    _limit_computing(cpu_seconds)
    return function(task)


def is_ready() -> bool:
    """What a worker answers once it has started."""
    return True


def _limit_computing(seconds: float) -> None:
    """End this process, by the system, once it has computed for `seconds` more.

    The system ends it inside C code, too, which never returns to Python. Windows has no such limit.
    """
    try:
        import resource
        import signal
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # a system that allows no change
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
        # the end by SIGXCPU would leave the process's memory, and so a scan, in a core file
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
