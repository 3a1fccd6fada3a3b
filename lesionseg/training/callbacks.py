"""What happens around the steps: budget and learning rate, log, checkpoints, stopping."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch

from lesionseg.storage.atomic import write_text
from lesionseg.storage.lock import check_still_held
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
    """Counts steps and seconds, sets the learning rate by the share spent, resumes, stops.

    The rate rises linearly over `warmup_steps` and falls along a cosine to a hundredth.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        learning_rate: float,
        warmup_steps: int,
        checkpoint: Path,
        generator: torch.Generator,
        key: str,
        resume: bool,
    ) -> None:
        self.budget, self.learning_rate, self.warmup_steps = budget, learning_rate, warmup_steps
        self.checkpoint, self.generator, self.key = checkpoint, generator, key
        self.resume = resume
        self.step, self.seconds, self.stopped_by = 0, 0.0, ""
        self.resumed: Progress | None = None
        self.take_signals: Callable[[], None] = lambda: None
        self._since: float | None = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.resume:
            self.resumed = load_checkpoint(
                self.checkpoint,
                module.model,  # type: ignore[arg-type]
                trainer.optimizers[0],
                self.generator,
                self.key,
            )
            self.step, self.seconds = self.resumed.step, self.resumed.seconds
        self.take_signals()
        if self.budget.spent(self.step, self.seconds) >= 1:
            trainer.should_stop = True
        self._since = time.monotonic()

    def ask_to_stop(self, signal_name: str) -> None:
        """End after the step that is under way."""
        self.stopped_by = signal_name

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
        if self.stopped_by:
            trainer.limit_val_batches = 0  # there may be no time left for a validation
        if self.stopped_by or self.budget.spent(self.step, self.seconds) >= 1:
            trainer.should_stop = True

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._count_time()
        self._since = None

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._since = time.monotonic()

    def _count_time(self) -> None:
        now = time.monotonic()
        if self._since is not None:
            self.seconds += now - self._since
        self._since = now


class CsvLog(L.Callback):
    """Mean of each loss term every `every` steps, and each validation, as rows of one CSV file."""

    def __init__(self, path: Path, keeper: BudgetKeeper, *, every: int) -> None:
        self.path, self.keeper, self.every = path, keeper, every
        self._sums: dict[str, torch.Tensor] = {}
        self._num = 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._drop_rows_after(self.keeper.step)
        if self.keeper.resumed:
            unlogged = self.keeper.resumed.unlogged
            self._sums = {name: torch.tensor(total) for name, total in unlogged.items()}
            self._num = self.keeper.resumed.num_unlogged

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
            self._sums[name] = self._sums.get(name, torch.zeros(())).to(term.device) + term
        self._num += 1
        if self.keeper.step % self.every == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            means = {name: float(total) / self._num for name, total in self._sums.items()}
            self._write(means | {"learning_rate": rate})
            self._sums, self._num = {}, 0

    @property
    def unlogged(self) -> tuple[dict[str, float], int]:
        """Sum of each term over the steps since the last row, and their number."""
        return {name: float(total) for name, total in self._sums.items()}, self._num

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
        check_still_held(self.path)
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            if new:
                table.writerow(["step", "seconds", "name", "value"])
            for name, value in values.items():
                table.writerow(
                    [self.keeper.step, round(self.keeper.seconds, 1), name, f"{value:.6g}"]
                )


class Checkpoints(L.Callback):
    """Saves the state every `every` steps and at the end. Stands after the log: keeps its rest."""

    def __init__(self, keeper: BudgetKeeper, log: CsvLog, *, every: int) -> None:
        self.keeper, self.table, self.every = keeper, log, every

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.keeper.step % self.every == 0:
            self._save(trainer, module)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._save(trainer, module)

    def _save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        keeper, (unlogged, num) = self.keeper, self.table.unlogged
        save_checkpoint(
            keeper.checkpoint,
            module.model,  # type: ignore[arg-type]
            trainer.optimizers[0],
            keeper.generator,
            Progress(keeper.step, round(keeper.seconds, 3), keeper.key, unlogged, num),
        )
