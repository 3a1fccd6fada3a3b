"""Training ends when its budget is spent, and spends it as told."""

from __future__ import annotations

import math
import signal
import time

import numpy as np
import pytest
from toy_networks import Counting, raising, rows, same, weights

from lesionseg.errors import Stopped, UsageError
from lesionseg.training.checkpoint import read_progress


def test_steps_end_a_run_and_a_finished_run_does_no_more(train, tmp_path):
    model = Counting()
    assert train(model, 4) == 4
    assert model.calls == 4
    assert all(model.modes)
    again = Counting()
    assert train(again, 4) == 4
    assert again.calls == 0
    same(weights(again), weights(model))
    further = Counting()
    assert train(further, 6) == 6  # a larger budget goes on
    assert further.calls == 2
    assert read_progress(tmp_path / "run/checkpoint.safetensors").step == 6


def test_minutes_end_a_run_and_count_over_its_parts(train, tmp_path):
    slow = dict.fromkeys(range(1, 1000), lambda terms: time.sleep(0.02) or terms)
    model = Counting(slow)
    steps = train(model, None, 0.005)  # 0.3 s
    assert 3 <= steps == model.calls <= 15
    seconds = read_progress(tmp_path / "run/checkpoint.safetensors").seconds
    assert 0.3 <= seconds < 3
    more = Counting(slow)
    assert train(more, None, 0.005) == steps
    assert more.calls == 0


def test_the_first_limit_reached_ends_a_run(train):
    assert train(Counting(), 3, 60.0) == 3
    assert train(Counting(), 10**9, 1e-4, folder="other") < 10**4


@pytest.mark.parametrize(("steps", "minutes"), [(None, None), (0, None), (-3, None), (5, -1.0)])
def test_a_budget_without_a_limit_is_refused(train, tmp_path, steps, minutes):
    with pytest.raises(UsageError, match=r"train.steps|train.minutes"):
        train(Counting(), steps, minutes)
    assert not (tmp_path / "run").exists()


def test_the_time_of_validation_is_not_counted(train, toy_cases, tmp_path):
    def count(network, case):
        time.sleep(0.4)
        return {"num_reference": 1, "num_found": 0, "num_false_positive": 0}

    train(Counting(), 3, validation=toy_cases[2:], count_lesions=count, validate_every=1)
    assert read_progress(tmp_path / "run/checkpoint.safetensors").seconds < 0.4


def test_the_learning_rate_rises_over_the_warmup_and_falls_along_a_cosine(train, tmp_path):
    train(Counting(), 10, learning_rate=0.01, warmup_steps=4)
    found = [value for _, name, value in rows(tmp_path / "run/log.csv") if name == "learning_rate"]
    expected = [
        0.01 * min(1, (n + 1) / 4) * (0.01 + 0.99 * (1 + math.cos(math.pi * n / 10)) / 2)
        for n in range(10)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_stop_is_saved_at_once_without_a_last_validation(train, toy_cases, tmp_path):
    validated = []

    def count(network, case):
        validated.append(case.name)
        return {"num_reference": 1, "num_found": 0, "num_false_positive": 0}

    options = {"validation": toy_cases[2:], "count_lesions": count, "validate_every": 3}
    with pytest.raises(Stopped):
        train(Counting({3: raising(signal.SIGTERM)}), 9, **options)
    assert validated == []
    assert read_progress(tmp_path / "run/checkpoint.safetensors").step == 3
    train(Counting(), 4, **options)
    assert validated == ["toy2"]  # at the end


def test_a_steep_gradient_is_cut(train):
    model = Counting({1: lambda terms: {"ten": terms["ten"] * 1000}})
    train(model, 1, clip_gradient=0.5)
    assert model.weight.grad.item() == pytest.approx(0.5, rel=1e-3)
