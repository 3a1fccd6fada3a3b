"""What a run says while it trains: threads, how long it will take, and that it was cut short."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from toy_networks import Counting

from lesionseg.models.threads import EVERY, REPEATS, ThreadChooser
from lesionseg.training.callbacks import Budget
from lesionseg.training.progress import STEPS_TO_ESTIMATE, Estimate, TimedThreads, cut_short


class Run:
    """A run whose steps take the seconds told, by the number of threads that compute."""

    def __init__(self, budget, seconds):
        self.seconds, self.threads = seconds, 0
        self.keeper = SimpleNamespace(budget=budget, step=0, seconds=0.0)
        self.chooser = ThreadChooser(
            most=max(seconds), clock=lambda: self.keeper.seconds, set_threads=self.use
        )
        self.callbacks = [
            TimedThreads("net", self.keeper, self.chooser),
            Estimate("net", self.keeper, self.chooser),
        ]

    def use(self, threads):
        self.threads = threads

    def go_on(self, steps):
        for _ in range(steps):
            self.callbacks[0].on_train_batch_start()
            self.keeper.step += 1
            self.keeper.seconds += self.seconds[self.threads]
            for callback in self.callbacks:
                callback.on_train_batch_end()


def test_the_time_a_budget_needs_is_said_once_after_threads_were_chosen(capsys):
    """Eight steps are timed, four of 1.4 s and four of 0.3 s; the others take 0.3 s."""
    run = Run(Budget(steps=1000), {2: 1.4, 1: 0.3})
    run.go_on(2 * REPEATS)
    (threads,) = capsys.readouterr().err.splitlines()
    assert threads == (
        "net: from step 8 on 1 of 2 threads; a step takes 1.40 s with 2, 0.30 s with 1"
    )
    run.go_on(STEPS_TO_ESTIMATE + 1)
    (said,) = capsys.readouterr().err.splitlines()
    assert said == f"net: 1000 steps need {(4 * 1.4 + 996 * 0.3) / 60:.1f} minutes"
    run.go_on(200)
    assert capsys.readouterr().err == ""


def test_a_limit_that_will_end_it_is_said_beforehand(capsys):
    run = Run(Budget(steps=1000, minutes=1.0), {1: 0.5})
    run.go_on(STEPS_TO_ESTIMATE + 1)
    said = capsys.readouterr().err
    assert said == "net: 1000 steps need 8.3 minutes, train.minutes=1 will end it near step 120\n"


def test_another_choice_of_threads_is_said_and_the_same_is_not(capsys):
    run = Run(Budget(minutes=600.0), {2: 0.1, 1: 0.2})
    run.go_on(2 * REPEATS + EVERY + 2 * REPEATS)
    assert len(capsys.readouterr().err.splitlines()) == 1
    run.seconds = {2: 1.4, 1: 0.3}
    run.go_on(EVERY + 2 * REPEATS)
    (said,) = capsys.readouterr().err.splitlines()
    assert "on 1 of 2 threads" in said


@pytest.mark.parametrize(
    ("budget", "step", "said"),
    [
        (Budget(steps=100), 100, None),
        (Budget(minutes=3.0), 40, None),
        (Budget(steps=100, minutes=3.0), 100, None),
        (Budget(100, 3.0), 40, "cut short at step 40 of 100 by train.minutes=3"),
    ],
)
def test_a_run_is_cut_short_where_it_did_fewer_steps_than_asked_for(budget, step, said):
    assert cut_short(SimpleNamespace(budget=budget, step=step)) == said


def test_a_run_cut_short_says_so_at_its_end(train, capsys):
    slow = dict.fromkeys(range(1, 1000), lambda terms: time.sleep(0.02) or terms)
    steps = train(Counting(slow), 500, 0.005, title="net")
    assert steps < 100
    assert (
        f"net: cut short at step {steps} of 500 by train.minutes=0.005" in capsys.readouterr().err
    )
    train(Counting(), 5, 60.0, folder="whole", title="net")
    assert "cut short" not in capsys.readouterr().err
