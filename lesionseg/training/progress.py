"""What a training tells meanwhile: how far it is, the time it will need, why it was cut short."""

from __future__ import annotations

from typing import Any

import lightning as L

from lesionseg.models.threads import ThreadChooser
from lesionseg.progress import Progress, write_above
from lesionseg.training.callbacks import BudgetKeeper

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
            write_above(
                f"{self.title}: from step {self.keeper.step} on {chosen} of "
                f"{self.chooser.choices[0]} threads; a step takes {times}"
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
        write_above(self._words(total, seconds / steps))
        self.title = ""

    def _words(self, total: int, seconds_a_step: float) -> str:
        left = (total - self.keeper.step) * seconds_a_step
        words = f"{self.title}: {total} steps need {(self.keeper.seconds + left) / 60:.1f} minutes"
        limit = self.keeper.budget.minutes
        if limit is not None and (self.keeper.seconds + left) / 60 > limit:
            reached = self.keeper.step + (limit * 60 - self.keeper.seconds) / seconds_a_step
            words += f", train.minutes={limit:g} will end it near step {int(reached)}"
        return words


class BudgetProgress(L.Callback):
    """Tells the share of the budget that is spent, and the time left."""

    def __init__(self, title: str, keeper: BudgetKeeper, chooser: ThreadChooser | None) -> None:
        self.title, self.keeper, self.chooser = title, keeper, chooser
        self._progress: Progress | None = None

    def on_train_start(self, *_: Any) -> None:
        spent = self.keeper.budget.spent(self.keeper.step, self.keeper.seconds)
        self._progress = Progress(self.title, done=spent)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        assert self._progress is not None
        if not self._progress.is_due:  # to read the loss waits for a GPU
            return
        budget, step = self.keeper.budget, self.keeper.step
        of = f" of {budget.steps:,}" if budget.steps else ""
        words = f"step {step:,}{of}, loss {float(outputs['loss']):.3f}"
        if self.chooser is not None:
            words += f", threads {self.chooser.threads}"
        self._progress.tell(budget.spent(step, self.keeper.seconds), words)

    def on_train_end(self, *_: Any) -> None:
        assert self._progress is not None
        self._progress.finish(f"{self.keeper.step:,} steps")
        self._progress.close()

    def on_exception(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.close()


def cut_short(keeper: BudgetKeeper) -> str | None:
    """Why a run that had a budget of steps did fewer; None where it did not."""
    budget = keeper.budget
    if budget.steps is None or budget.minutes is None or keeper.step >= budget.steps:
        return None
    return f"cut short at step {keeper.step} of {budget.steps} by train.minutes={budget.minutes:g}"
