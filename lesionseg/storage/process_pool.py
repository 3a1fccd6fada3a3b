"""The same work for many cases, in processes; a bad case does not stop the others.

A case that raises CaseError is rejected. So is one that ends its worker process: killed for memory,
a crash in C code, or computing for ever.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeAlias, TypeVar

from lesionseg.errors import CaseError, LesionsegError
from lesionseg.progress import with_progress
from lesionseg.storage.lock import held, sweep
from lesionseg.storage.memory import TOO_LARGE
from lesionseg.storage.worker import is_ready, run_task, start_worker

CPU_SECONDS = 3600.0  # of computing that one task may take in a worker
MOST_ON_WINDOWS = 61  # processes: a pool waits for all at once, and Windows for no more
ENDED = (
    "its worker process ended: it takes too much memory or more than an hour of computing; crop "
    "the scan, or leave it out"
)

Task = TypeVar("Task")
Result = TypeVar("Result")
Outcome: TypeAlias = Callable[[], Result]  # returns the result of a task, or raises its error


class WorkerPool(Executor):
    """Worker processes, started afresh (spawn), which can be started again when one has died."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._start()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(
            self.workers, spawn, initializer=start_worker, initargs=(held(),)
        )

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        return self._pool.submit(function, *args, **options)

    def start_again(self) -> None:
        """End the processes that are left, remove what they left half written, and start new ones.

        Raises LesionsegError where a new process ends before it has done anything.
        """
        self._pool.shutdown(wait=True, cancel_futures=True)
        for lock in held():
            sweep(lock.folder, lock.token)
        self._start()
        try:
            self.submit(is_ready).result()
        except BrokenProcessPool as error:
            raise LesionsegError(
                "worker processes end as soon as they are started, for want of memory or because "
                'the script that started them has no `if __name__ == "__main__":`; mend that, or '
                "use workers=0"
            ) from error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def available_cores() -> int:
    """Cores this process may use, which in a container is not the machine's count."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def case_pool(workers: int | None, *, num_tasks: int | None = None) -> Iterator[WorkerPool | None]:
    """Worker processes; None, for this process, where `workers` is 0.

    workers None: one a core. num_tasks: how many tasks there will be: no more processes than that
    are started, and none where one would do, as this process can do the work of one.
    What waits is dropped when the block is left by an error.
    """
    workers = available_cores() if workers is None else workers
    if os.name == "nt":
        workers = min(workers, MOST_ON_WINDOWS)
    if num_tasks is not None and min(workers, num_tasks) <= 1:
        workers = 0
    elif num_tasks is not None:
        workers = min(workers, num_tasks)
    if workers <= 0:
        yield None
        return
    pool = WorkerPool(workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def for_each_case(
    pool: WorkerPool | None,
    function: Callable[[Task], Result],
    tasks: Mapping[str, Task],
    *,
    title: str,
    progress: bool = True,
) -> tuple[dict[str, Result], dict[str, str]]:
    """function(task) by case: results, and of cases that were rejected the message instead.

    Both in the order of `tasks`. Rejected are cases that raise CaseError, lack memory, or end their
    worker process twice: beside others, and alone in a new one. Any other error stops.
    progress: whether it is told how far the work is.
    """
    results: dict[str, Result] = {}
    rejected: dict[str, str] = {}
    outcomes = _outcomes(pool, function, tasks)
    if progress:
        outcomes = with_progress(outcomes, title, "case", total=len(tasks))
    for case, outcome in outcomes:
        try:
            results[case] = outcome()
        except CaseError as error:
            rejected[case] = str(error)
        except MemoryError:
            rejected[case] = str(CaseError(case, TOO_LARGE))
        except BrokenProcessPool:
            rejected[case] = str(CaseError(case, ENDED))
    return (
        {case: results[case] for case in tasks if case in results},
        {case: rejected[case] for case in tasks if case in rejected},
    )


def _outcomes(
    pool: WorkerPool | None, function: Callable[[Task], Result], tasks: Mapping[str, Task]
) -> Iterator[tuple[str, Outcome[Result]]]:
    """Each case once, with its outcome."""
    if pool is None:
        for case, task in tasks.items():
            yield case, lambda task=task: function(task)  # type: ignore[misc]
        return
    waiting = dict(tasks)
    while waiting:
        begun = yield from _until_broken(pool, function, waiting)
        for case in begun:  # one of them ended its process; alone, it shows which
            pool.start_again()
            future = pool.submit(run_task, function, tasks[case], CPU_SECONDS)
            wait([future])
            yield case, future.result


def _until_broken(
    pool: WorkerPool, function: Callable[[Task], Result], waiting: dict[str, Task]
) -> Generator[tuple[str, Outcome[Result]], None, list[str]]:
    """Each case that finishes, until all have or a process ends: those that were begun then.

    Begun cases are taken out of `waiting`. No more are handed over than there are workers: a pool
    does not tell which of those it holds were begun.
    """
    futures: dict[Future[Result], str] = {}
    while waiting or futures:
        try:
            while waiting and len(futures) < pool.workers:
                case, task = next(iter(waiting.items()))
                futures[pool.submit(run_task, function, task, CPU_SECONDS)] = case
                del waiting[case]
        except BrokenProcessPool:
            if not futures:  # a process ended without a case, or before this work
                pool.start_again()
                continue
        done = wait(futures, return_when=FIRST_COMPLETED).done
        broken = any(map(_is_broken, done))
        if broken:
            done = wait(futures).done  # all processes of a broken pool are ended
        for future in done:
            if not _is_broken(future):
                yield futures.pop(future), future.result
        if broken:
            return list(futures.values())
    return []


def _is_broken(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)
