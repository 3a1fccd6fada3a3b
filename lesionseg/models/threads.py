"""How many threads compute: measured, since threads that wait for one another can cost more.

On an idle machine two threads take two thirds of the time of one. Beside another busy program they
spin while they wait for each other's share of every operation, and one alone is several times
quicker. Which case it is cannot be known beforehand, so it is timed, and timed again every so
often.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import torch

EVERY = 300  # pieces of work between two measurements
REPEATS = 4  # pieces timed with each number of threads; the first of them warms up
GAIN = 0.9  # fewer threads are taken where they need at most this share of the time
HOPELESS = 1.25  # no fewer are tried after two in a row that need this much more than the best


class ThreadChooser:
    """Times pieces of work with all threads and with fewer, and keeps the number that was quickest.

    wanted: `auto`, or the number of threads to use. most: what `auto` begins with; torch's number
    by default. Call `start` before and `stop` after each piece of work. clock: in seconds;
    set_threads: what is called with a number of threads.
    """

    def __init__(
        self,
        wanted: int | str = "auto",
        *,
        most: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
        set_threads: Callable[[int], None] = torch.set_num_threads,
    ) -> None:
        self._clock, self._set = clock, set_threads
        most = torch.get_num_threads() if most is None else most
        self.choices = [wanted] if isinstance(wanted, int) else halved(most)
        self.measured: dict[int, float] = {}  # median seconds for an amount of 1, by threads
        self._seconds: list[float] = []  # of the number being timed
        self._place = 0 if len(self.choices) > 1 else None  # of it among the choices
        self._pause, self._since, self._hopeless = EVERY, 0.0, 0
        self.chosen = self.choices[0]  # by the last measurement that came to its end
        self.threads = self.choices[0]

    @contextlib.contextmanager
    def working(self, amount: float = 1.0) -> Iterator[None]:
        """A piece of work, computed by the chosen number of threads; others are left as they were.

        amount: its size, where pieces differ.
        """
        with own_threads():
            self.start()
            yield
            self.stop(amount)

    @property
    def is_measuring(self) -> bool:
        """Whether the next piece of work is one of those that are compared."""
        return self._place is not None

    def start(self) -> None:
        """A piece of work begins, on the number of threads that is chosen or being timed."""
        self._set(self.threads)
        self._since = self._clock()

    def stop(self, amount: float = 1.0) -> None:
        """The piece of work ends. amount: its size, where pieces differ."""
        if self._place is None:
            self._pause -= 1
            if self._pause <= 0 and len(self.choices) > 1:
                self._begin()
            return
        self._seconds.append((self._clock() - self._since) / amount)
        if len(self._seconds) == REPEATS:
            self.measured[self.choices[self._place]] = statistics.median(self._seconds[1:])
            self._seconds = []
            self._next()

    def _begin(self) -> None:
        self.measured, self._place, self._hopeless = {}, 0, 0
        self.threads = self.choices[0]

    def _next(self) -> None:
        """Time the next smaller number, or choose."""
        assert self._place is not None
        last, best = self.measured[self.choices[self._place]], min(self.measured.values())
        self._hopeless = 0 if last <= HOPELESS * best else self._hopeless + 1
        if self._place + 1 < len(self.choices) and self._hopeless < 2:
            self._place += 1
            self.threads = self.choices[self._place]
            return
        self._place, self._pause = None, EVERY
        chosen = self.choices[0]
        for num in self.measured:
            if self.measured[num] <= GAIN * self.measured[chosen]:
                chosen = num
        self.threads = self.chosen = chosen


@contextlib.contextmanager
def own_threads() -> Iterator[None]:
    """Whatever number of threads is set within, the one before it is set again after."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def halved(most: int) -> list[int]:
    """most, half of it, and so on down to 1."""
    numbers = [max(most, 1)]
    while numbers[-1] > 1:
        numbers.append(numbers[-1] // 2)
    return numbers
