"""How far a long piece of work is: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from lesionseg.wording import counted

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 60.0
LOOKS_A_SECOND = 2.0
FORMAT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Progress:
    """Tells on stderr which part of the work is done, and how long the rest will take.

    title: first words of what is told. done: part that an earlier run did, 0 to 1. Without a
    terminal nothing is told before a minute has gone.
    """

    def __init__(
        self,
        title: str,
        *,
        done: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        terminal: bool | None = None,
    ) -> None:
        self.title, self._clock, self._first, self._done = title, clock, done, done
        terminal = sys.stderr.isatty() if terminal is None else terminal
        self._bar = (
            tqdm(
                total=1.0,
                initial=done,
                desc=title,
                bar_format=FORMAT,
                mininterval=0,
                file=sys.stderr,
            )
            if terminal
            else None
        )
        self._between = 1 / LOOKS_A_SECOND if terminal else SECONDS_BETWEEN_LINES
        self._start = clock()
        self._told = self._start - (
            self._between if terminal else 0
        )  # a bar says something at once

    @property
    def is_due(self) -> bool:
        """Whether it is time to tell again: what is told may be dear to find out."""
        return self._clock() - self._told >= self._between

    def tell(self, done: float, words: str) -> None:
        """done: part of the work that is done, 0 to 1. words: how far, like "3 of 7 scans"."""
        self._told = self._clock()
        self._done = done
        if self._bar is not None:
            self._bar.set_postfix_str(words, refresh=False)
            self._bar.update(done - self._bar.n)
        else:
            print(f"{self.title}: {words}, {self._left()}", file=sys.stderr, flush=True)

    def _left(self) -> str:
        here = self._done - self._first
        if here <= 0:
            return "time left not known yet"
        seconds = (1 - self._done) * (self._told - self._start) / here
        if seconds < 90:
            return f"about {seconds:.0f} s left"
        if seconds < 5400:
            return f"about {seconds / 60:.0f} minutes left"
        return f"about {seconds / 3600:.1f} hours left"

    def finish(self, words: str) -> None:
        """All is done: the bar is full; without a terminal the work itself says so."""
        if self._bar is not None:
            self.tell(1.0, words)

    def close(self) -> None:
        """Take the bar away; what it showed stays."""
        if self._bar is not None:
            self._bar.close()


def with_progress(
    items: Iterable[T], title: str, unit: str, *, total: int | None = None
) -> Iterator[T]:
    """The items, one after another, telling how many are done. total: how many there are, where
    `items` has no length."""
    total = len(items) if total is None else total  # type: ignore[arg-type]
    progress = Progress(title)
    try:
        for number, item in enumerate(items):
            if progress.is_due:
                progress.tell(number / total, f"{number:,} of {counted(total, unit)}")
            yield item
        progress.finish(f"{total:,} of {counted(total, unit)}")
    finally:
        progress.close()


def write_above(text: str) -> None:
    """A line on stderr, above a bar if there is one."""
    tqdm.write(text, file=sys.stderr)
