"""What a run prints meanwhile: a bar on a terminal, the time it will need, and why it was cut
short."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from tqdm import tqdm

from lesionseg.models.threads import ThreadChooser
from lesionseg.training.callbacks import BudgetKeeper

SECONDS_BETWEEN = 0.5  # two looks at the bar
STEPS_TO_ESTIMATE = 20  # timed after the threads were chosen


class TimedThreads(L.Callback):
    """Chooses the threads of each step by timing steps, and says which were chosen.

    Used where a CPU computes. title: first word of what is printed; without one nothing is.
    """

    def __init__(self, title: str, keeper: BudgetKeeper, chooser: ThreadChooser) -> None:
        self.title, self.keeper, self.chooser = title, keeper, chooser
        self._said: int | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        self.chooser.start()

    def on_train_batch_end(self, *_: Any) -> None:
        self.chooser.stop()
        chosen = None if self.chooser.is_measuring else self.chooser.threads
        if self.title and self.chooser.measured and chosen not in (None, self._said):
            took = self.chooser.measured
            times = ", ".join(f"{took[num]:.2f} s with {num}" for num in took)
            tqdm.write(  # above the bar
                f"{self.title}: from step {self.keeper.step} on {chosen} of "
                f"{self.chooser.choices[0]} threads; a step takes {times}",
                file=sys.stderr,
            )
            self._said = chosen


class Estimate(L.Callback):
    """Says once, in a line, how long a budget of steps will take here, and what cuts it short."""

    def __init__(self, title: str, keeper: BudgetKeeper, chooser: ThreadChooser | None) -> None:
        self.title, self.keeper, self.chooser = title, keeper, chooser
        self._from: tuple[int, float] | None = None

    def on_train_batch_end(self, *_: Any) -> None:
        total = self.keeper.budget.steps
        measuring = self.chooser is not None and self.chooser.is_measuring
        if total is None or self.keeper.step >= total or measuring or self.title == "":
            return
        if self._from is None:
            self._from = (self.keeper.step, self.keeper.seconds)
            return
        steps, seconds = self.keeper.step - self._from[0], self.keeper.seconds - self._from[1]
        if steps < STEPS_TO_ESTIMATE:
            return
        tqdm.write(self._words(total, seconds / steps), file=sys.stderr)
        self.title = ""

    def _words(self, total: int, seconds_a_step: float) -> str:
        left = (total - self.keeper.step) * seconds_a_step
        words = f"{self.title}: {total} steps need {(self.keeper.seconds + left) / 60:.1f} minutes"
        limit = self.keeper.budget.minutes
        if limit is not None and (self.keeper.seconds + left) / 60 > limit:
            reached = self.keeper.step + (limit * 60 - self.keeper.seconds) / seconds_a_step
            words += f", train.minutes={limit:g} will end it near step {int(reached)}"
        return words


class BudgetBar(L.Callback):
    """A bar of the share of the budget that is spent, with the time left, on a terminal."""

    FORMAT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"

    def __init__(self, title: str, keeper: BudgetKeeper, chooser: ThreadChooser | None) -> None:
        self.title, self.keeper, self.chooser = title, keeper, chooser
        self._bar: tqdm[Any] | None = None
        self._shown = 0.0

    def on_train_start(self, *_: Any) -> None:
        spent = self.keeper.budget.spent(self.keeper.step, self.keeper.seconds)
        self._bar = tqdm(total=1.0, initial=spent, desc=self.title, bar_format=self.FORMAT)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        assert self._bar is not None
        spent = self.keeper.budget.spent(self.keeper.step, self.keeper.seconds)
        now = time.monotonic()
        if now - self._shown < SECONDS_BETWEEN and spent < 1:  # to read the loss waits for a GPU
            return
        self._shown = now
        of = f" of {self.keeper.budget.steps}" if self.keeper.budget.steps else ""
        words = f"step {self.keeper.step}{of}, loss {float(outputs['loss']):.3f}"
        if self.chooser is not None:
            words += f", threads {self.chooser.threads}"
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(spent - self._bar.n)

    def on_train_end(self, *_: Any) -> None:
        self._close()

    def on_exception(self, *_: Any) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def cut_short(keeper: BudgetKeeper) -> str | None:
    """Why a run that had a budget of steps did fewer; None where it did not."""
    budget = keeper.budget
    if budget.steps is None or budget.minutes is None or keeper.step >= budget.steps:
        return None
    return f"cut short at step {keeper.step} of {budget.steps} by train.minutes={budget.minutes:g}"
