"""What happens around the steps: budget and learning rate, log, checkpoints, stopping."""

from __future__ import annotations

import csv
import math
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch

from lesionseg.storage.atomic import write_text
from lesionseg.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from lesionseg.training.module import LesionModule


@dataclass(frozen=True)
class Budget:
    """Training ends at the first of the limits given; one of them must be.

    minutes count training alone: loading, forward, backward and update, not validation.
    """

    steps: int | None = None
    minutes: float | None = None

    def spent(self, step: int, seconds: float) -> float:
        """Share of the budget used, 0 to 1."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = seconds / 60 / self.minutes if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))


class BudgetKeeper(L.Callback):
    """Counts steps and seconds, sets the learning rate by the share spent, resumes, saves, stops.

    The rate rises linearly over `warmup_steps` and falls along a cosine to a hundredth.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        learning_rate: float,
        warmup_steps: int,
        checkpoint: Path,
        checkpoint_every: int,
        generator: torch.Generator,
        key: str,
        resume: bool,
    ) -> None:
        self.budget, self.learning_rate, self.warmup_steps = budget, learning_rate, warmup_steps
        self.checkpoint, self.checkpoint_every = checkpoint, checkpoint_every
        self.generator, self.key, self.resume = generator, key, resume
        self.step, self.seconds, self.stopped_by = 0, 0.0, ""
        self._since: float | None = None
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.resume:
            progress = load_checkpoint(
                self.checkpoint,
                module.model,  # type: ignore[arg-type]
                trainer.optimizers[0],
                self.generator,
                self.key,
            )
            self.step, self.seconds = progress.step, progress.seconds
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask_to_stop)
        if self.budget.spent(self.step, self.seconds) >= 1:
            trainer.should_stop = True
        self._since = time.monotonic()

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self.stopped_by = signal.Signals(number).name

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        spent = self.budget.spent(self.step, self.seconds)
        rise = min(1.0, (self.step + 1) / max(self.warmup_steps, 1))
        fall = 0.01 + 0.99 * (1 + math.cos(math.pi * spent)) / 2
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.learning_rate * rise * fall

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.step += 1
        self._count_time()
        if self.step % self.checkpoint_every == 0:
            self._save(trainer, module)
        if self.stopped_by:
            trainer.limit_val_batches = 0  # there may be no time left for a validation
        if self.stopped_by or self.budget.spent(self.step, self.seconds) >= 1:
            trainer.should_stop = True

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._count_time()
        self._since = None

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._since = time.monotonic()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._save(trainer, module)
        self._restore_signals()

    def on_exception(
        self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException
    ) -> None:
        self._restore_signals()

    def _restore_signals(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _count_time(self) -> None:
        now = time.monotonic()
        if self._since is not None:
            self.seconds += now - self._since
        self._since = now

    def _save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            progress = Progress(self.step, round(self.seconds, 3), self.key)
            save_checkpoint(
                self.checkpoint,
                module.model,  # type: ignore[arg-type]
                trainer.optimizers[0],
                self.generator,
                progress,
            )


class CsvLog(L.Callback):
    """Mean of each loss term every `every` steps, and each validation, as rows of one CSV file."""

    def __init__(self, path: Path, keeper: BudgetKeeper, *, every: int) -> None:
        self.path, self.keeper, self.every = path, keeper, every
        self._sums: dict[str, torch.Tensor] = {}
        self._num = 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._drop_rows_after(self.keeper.step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        assert isinstance(module, LesionModule)
        for name, term in module.last_terms.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(term)) + term
        self._num += 1
        if self.keeper.step % self.every == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            means = {name: float(total) / self._num for name, total in self._sums.items()}
            self._write(means | {"learning_rate": rate})
            self._sums, self._num = {}, 0

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, LesionModule)
        self._write(module.validated)

    def _drop_rows_after(self, step: int) -> None:
        """A run that was killed logged more steps than it saved; they are about to be repeated."""
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines[1:] if line.endswith("\n")]
        kept = [line for line in whole if int(line.split(",")[0]) <= step]
        if kept:
            write_text(self.path, "".join([lines[0], *kept]))
        else:
            self.path.unlink()

    def _write(self, values: dict[str, float]) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            if new:
                table.writerow(["step", "seconds", "name", "value"])
            for name, value in values.items():
                table.writerow(
                    [self.keeper.step, round(self.keeper.seconds, 1), name, f"{value:.6g}"]
                )
