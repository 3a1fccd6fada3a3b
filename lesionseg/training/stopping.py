"""Signals that ask a training to stop: it ends after the step under way, and saves its state."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from lesionseg.errors import Stopped

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not known everywhere


@contextlib.contextmanager
def asked_to_stop(ask: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Within, the first such signal calls ask(its name), a second one raises Stopped at once.

    Lightning ends the whole process with exit code 1 where a signal interrupts it, so none may.
    Yields what takes the signals once more, for when Lightning has set handlers of its own.
    Outside the main thread, where Python handles no signal, nothing changes.
    """
    asked: list[str] = []
    before: dict[int, Any] = {}

    def handle(number: int, frame: object) -> None:
        name = signal.Signals(number).name
        if asked:
            raise Stopped(f"stopped by {name}; the same command goes on from its last checkpoint")
        asked.append(name)
        ask(name)

    def take() -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            found = signal.getsignal(number)
            if found is not signal.SIG_IGN:  # as nohup has it
                before.setdefault(number, found)
                signal.signal(number, handle)

    take()
    try:
        yield take
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
