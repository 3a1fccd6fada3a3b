"""Train one network on the shared stream: the call that recipes make."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch

from lesionseg.errors import Stopped, UsageError
from lesionseg.models.device import (
    channels_last,
    flushed_denormals,
    repeatable_sums,
    torch_device,
    training_precision,
)
from lesionseg.models.interface import Network
from lesionseg.models.threads import ThreadChooser, own_threads
from lesionseg.settings.training import TrainingRule
from lesionseg.slabs.sampler import SlabSampler
from lesionseg.structures import Case
from lesionseg.training.callbacks import Budget, BudgetKeeper, Checkpoints, CsvLog
from lesionseg.training.checkpoint import readable_progress
from lesionseg.training.collapse import CollapseWatch
from lesionseg.training.module import CountLesions, LesionModule
from lesionseg.training.progress import BudgetProgress, Estimate, TimedThreads, cut_short
from lesionseg.training.stopping import asked_to_stop
from lesionseg.training.stream import LesionData


@dataclass(frozen=True)
class Fitted:
    """steps, seconds: done in all, validation left out. threads: that computed last, None off the
    CPU. cut_short: why fewer steps were done than asked for, None where they were not.
    """

    steps: int
    seconds: float
    threads: int | None
    cut_short: str | None


def fit(
    model: Network,
    sampler: SlabSampler,
    validation: list[Case],
    *,
    budget: Budget,
    rule: TrainingRule,
    folder: Path,
    count_lesions: CountLesions,
    device: str,
    seed: int,
    threads: int | str,
    key: str,
    resume: bool,
    title: str = "",
) -> Fitted:
    """Train `model` in place and say what was done.

    folder: receives checkpoint.safetensors and log.csv. threads: how many compute on the CPU, or
    `auto`, which measures; with another number the last digits of sums differ. key: identifies
    settings and data; a checkpoint with another key is not resumed. title: first word of what is
    printed on stderr; without one only a terminal's bar is shown. Raises UsageError for a budget
    without a limit and for a checkpoint that is damaged or of other settings, Stopped where a
    signal ended the run early (its state is saved), LesionsegError for a loss that is not finite.
    """
    _refuse_no_budget(budget)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.safetensors"
    resume = resume and checkpoint.exists()
    progress = readable_progress(checkpoint, key) if resume else None
    generator = torch.Generator().manual_seed(seed)
    channels_last(model)
    module = LesionModule(
        model,
        generator,
        learning_rate=rule.learning_rate,
        weight_decay=rule.weight_decay,
        count_lesions=count_lesions,
    )
    data = LesionData(sampler, validation, rule.num_workers)
    data.first_step = progress.step if progress else 0
    keeper = BudgetKeeper(
        budget,
        learning_rate=rule.learning_rate,
        warmup_steps=rule.warmup_steps,
        checkpoint=checkpoint,
        generator=generator,
        key=key,
        resume=resume,
    )
    where = torch_device(device)
    chooser = ThreadChooser(threads) if where.type == "cpu" else None
    log = CsvLog(folder / "log.csv", keeper, every=rule.log_every)
    saver = Checkpoints(keeper, log, every=rule.checkpoint_every)
    callbacks = [keeper, log, saver, *_told(title, keeper, chooser)]
    with _computing(keeper, where):
        _trainer(rule, device, callbacks, num_validation=len(validation)).fit(module, data)
    return _fitted(title, keeper, chooser)


@contextlib.contextmanager
def _computing(keeper: BudgetKeeper, where: torch.device) -> Iterator[None]:
    """How this process behaves while it trains, and not before or after."""
    stop = asked_to_stop(keeper.ask_to_stop)
    with _quiet(), flushed_denormals(), own_threads(), repeatable_sums(where), stop as take:
        keeper.take_signals = take
        yield


def _told(title: str, keeper: BudgetKeeper, chooser: ThreadChooser | None) -> list[L.Callback]:
    """The callbacks that choose threads and print how far training is."""
    return [
        *([TimedThreads(title, keeper, chooser)] if chooser else []),
        *([Estimate(title, keeper, chooser), CollapseWatch(title, keeper)] if title else []),
        *([BudgetProgress(title, keeper, chooser)] if title or sys.stderr.isatty() else []),
    ]


def _fitted(title: str, keeper: BudgetKeeper, chooser: ThreadChooser | None) -> Fitted:
    """What was done. Raises Stopped where a signal ended it early."""
    if keeper.stopped_by:
        raise Stopped(
            f"stopped by {keeper.stopped_by} at step {keeper.step}; "
            "the same command goes on from there"
        )
    reason = cut_short(keeper)
    if reason and title:
        print(f"{title}: {reason}", file=sys.stderr)
    return Fitted(keeper.step, keeper.seconds, chooser.chosen if chooser else None, reason)


def _refuse_no_budget(budget: Budget) -> None:
    limits = [limit for limit in (budget.steps, budget.minutes) if limit is not None]
    if not limits or min(limits) <= 0:
        raise UsageError(
            f"training budget is {budget.steps} steps and {budget.minutes} minutes; "
            "give train.steps or train.minutes above 0"
        )


def _trainer(
    rule: TrainingRule, device: str, callbacks: list[L.Callback], *, num_validation: int
) -> L.Trainer:
    """A trainer that the callbacks end, and that writes and shows nothing of its own."""
    accelerator, devices = lightning_device(device)
    precision = training_precision(rule.precision, torch_device(device))
    return L.Trainer(
        accelerator=accelerator,
        devices=devices,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=-1,
        val_check_interval=rule.validate_every,
        limit_val_batches=num_validation,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
        gradient_clip_val=rule.clip_gradient,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def lightning_device(device: str) -> tuple[str, list[int] | int]:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` as Lightning's accelerator and devices."""
    chosen = torch_device(device)
    if chosen.type == "cuda":
        return "cuda", [chosen.index or 0]
    return chosen.type, 1


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice is for other loops than this one."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
