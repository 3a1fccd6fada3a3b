"""The same work for many cases, in processes; an error of one case does not stop the others."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from lesionseg.errors import CaseError, LesionsegError
from lesionseg.storage.lock import Held, held, hold_too
from lesionseg.storage.memory import SHARE, TOO_LARGE, free_memory, limit_memory

LEAST_MEMORY = (
    4 << 30
)  # bytes that a worker may always ask for: libraries reserve more than they use

Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores this process may use, which in a container is not the machine's count."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def case_pool(workers: int | None, *, num_tasks: int | None = None) -> Iterator[Executor | None]:
    """Worker processes, started afresh (spawn); None, for this process, where `workers` is 0.

    workers None: one a core. num_tasks: how many tasks there will be: no more processes than that
    are started, and none where one would do, as this process can do the work of one.
    What waits is dropped when the block is left by an error.
    """
    if workers is None:
        workers = available_cores()
    if num_tasks is not None and min(workers, num_tasks) <= 1:
        workers = 0
    elif num_tasks is not None:
        workers = min(workers, num_tasks)
    if workers <= 0:
        yield None
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_start_worker, initargs=(held(),))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(locks: tuple[Held, ...]) -> None:
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


def for_each_case(
    pool: Executor | None,
    function: Callable[[Task], Result],
    tasks: Mapping[str, Task],
    *,
    title: str,
    progress: bool = True,
) -> tuple[dict[str, Result], dict[str, str]]:
    """function(task) by case: results, and of cases that raised CaseError the message instead.

    Both in the order of `tasks`. A progress bar is shown on a terminal only. Any other error stops.
    """
    results: dict[str, Result] = {}
    rejected: dict[str, str] = {}
    hidden = not (progress and sys.stderr.isatty())
    try:
        with tqdm(total=len(tasks), desc=title, unit="case", disable=hidden) as bar:
            for case, outcome in _outcomes(pool, function, tasks):
                try:
                    results[case] = outcome()
                except CaseError as error:
                    rejected[case] = str(error)
                except MemoryError:
                    rejected[case] = str(CaseError(case, TOO_LARGE))
                bar.update()
    except BrokenProcessPool as error:
        raise LesionsegError(
            f"a worker process died during {title}, most likely for want of memory; "
            "use fewer workers"
        ) from error
    return (
        {case: results[case] for case in tasks if case in results},
        {case: rejected[case] for case in tasks if case in rejected},
    )


def _outcomes(
    pool: Executor | None, function: Callable[[Task], Result], tasks: Mapping[str, Task]
) -> Iterator[tuple[str, Callable[[], Result]]]:
    if pool is None:
        for case, task in tasks.items():
            yield case, lambda task=task: function(task)  # type: ignore[misc]
        return
    futures = {pool.submit(function, task): case for case, task in tasks.items()}
    for future in as_completed(futures):
        yield futures.pop(future), future.result
