"""A training that is stopped and goes on leaves the log of one that was not."""

from __future__ import annotations

import signal

import pytest
from toy_networks import Counting, raising, rows

from lesionseg.errors import Stopped
from lesionseg.training.stopping import asked_to_stop

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Going(Counting):
    """As `Counting`, its n taken from the step of the run, not of this network."""

    def __init__(self, done, at=None):
        super().__init__(at)
        self.calls = done


@pytest.mark.parametrize("number", SIGNALS)
def test_the_log_after_a_resume_is_that_of_an_undisturbed_run(train, tmp_path, number):
    train(Counting(), 10, log_every=4, checkpoint_every=3, folder="whole")
    with pytest.raises(Stopped, match=signal.Signals(number).name):
        train(Counting({6: raising(number)}), 10, log_every=4, checkpoint_every=3)
    train(Going(6), 10, log_every=4, checkpoint_every=3)
    assert rows(tmp_path / "run/log.csv") == rows(tmp_path / "whole/log.csv")


def test_one_that_was_killed_repeats_the_steps_after_its_checkpoint(train, tmp_path):
    train(Counting(), 10, log_every=4, checkpoint_every=3, folder="whole")

    def killed(terms):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(Counting({9: killed}), 10, log_every=4, checkpoint_every=3)
    train(Going(6), 10, log_every=4, checkpoint_every=3)  # saved after six steps
    assert rows(tmp_path / "run/log.csv") == rows(tmp_path / "whole/log.csv")


def test_a_second_signal_stops_at_once():
    asked = []
    with asked_to_stop(asked.append):
        signal.raise_signal(signal.SIGTERM)
        assert asked == ["SIGTERM"]
        with pytest.raises(Stopped, match="SIGTERM"):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asked = []
        with asked_to_stop(asked.append):
            signal.raise_signal(signal.SIGHUP)
        assert asked == []
    finally:
        signal.signal(signal.SIGHUP, before)
