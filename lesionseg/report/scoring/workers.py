"""One function over many cases, on all the cores this process may use."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

Task = TypeVar("Task")
Result = TypeVar("Result")


def map_cases(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    label: str,
    workers: int | None = None,
) -> list[Result]:
    """Results in the order of the tasks, with a progress bar on a terminal.

    workers: processes; by default the available cores, and none where one would do.
    """
    count = min(workers or available_cores(), len(tasks))
    bar: dict[str, Any] = {"total": len(tasks), "desc": label, "unit": "case", "disable": None}
    if count <= 1:
        return list(tqdm(map(function, tasks), **bar))
    # Started afresh, not forked: the parent may hold threads and locks of other libraries.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        return list(tqdm(pool.map(function, tasks), **bar))


def available_cores() -> int:
    """Cores this process may use, which in a container is not the machine's count."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)
