"""Training: the same weights however often it was stopped, and an end when the budget is spent."""

from __future__ import annotations

import csv
import math
import os
import signal
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from lesionseg.errors import LesionsegError, Stopped, UsageError
from lesionseg.training.checkpoint import read_progress
from lesionseg.training.fit import lightning_device


class Counting(nn.Module):
    """One weight; its n-th loss is made of n and 10, and `at` may act on a step."""

    def __init__(self, at=None):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.at, self.calls, self.modes, self.seen = at or {}, 0, [], []

    def losses(self, images, targets):
        self.calls += 1
        self.modes.append(self.training)
        self.seen.append((images.clone(), torch.stack([t.semantic for t in targets])))
        terms = {"n": self.weight.sum() * 0 + self.calls, "ten": self.weight.sum() + 10.0}
        act = self.at.get(self.calls)
        return act(terms) if act else terms


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [(int(r["step"]), r["name"], float(r["value"])) for r in csv.DictReader(file)]


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    assert set(one) == set(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def raising(number):
    def act(terms):
        os.kill(os.getpid(), number)
        return terms

    return act


def interrupted(network, after, act):
    """The network, which lets `act` happen when its losses are asked the `after`-th time."""
    calls, plain = [], network.losses

    def losses(images, targets):
        calls.append(1)
        if len(calls) == after:
            act()
        return plain(images, targets)

    network.losses = losses
    return network


@pytest.mark.parametrize("name", ["unet", "maskrcnn"])
def test_a_stopped_and_resumed_run_ends_with_the_very_same_weights(narrow, train, tmp_path, name):
    whole = narrow(name)
    assert train(whole, 6, folder="whole") == 6

    def stop():
        os.kill(os.getpid(), signal.SIGTERM)

    part = interrupted(narrow(name), 3, stop)
    with pytest.raises(Stopped, match="stopped by SIGTERM at step 3; the same command") as stopped:
        train(part, 6, folder="parts")
    assert stopped.value.exit_code == 75
    assert read_progress(tmp_path / "parts/checkpoint.safetensors").step == 3
    resumed = narrow(name, seed=99)  # whose own start does not matter
    assert train(resumed, 6, folder="parts") == 6
    same(weights(resumed), weights(whole))
    assert rows(tmp_path / "parts/log.csv") == rows(tmp_path / "whole/log.csv")


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_its_log_too(narrow, train, tmp_path):
    whole = narrow("maskrcnn")
    train(whole, 7, folder="whole", checkpoint_every=3)

    def fail():
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(interrupted(narrow("maskrcnn"), 6, fail), 7, folder="parts", checkpoint_every=3)
    assert read_progress(tmp_path / "parts/checkpoint.safetensors").step == 3
    log = tmp_path / "parts/log.csv"
    assert rows(log)[-1][0] == 5  # two steps more than were saved
    log.write_text(log.read_text() + "5,0.2,lo")  # and half a line
    resumed = narrow("maskrcnn", seed=99)
    train(resumed, 7, folder="parts", checkpoint_every=3)
    same(weights(resumed), weights(whole))
    assert rows(log) == rows(tmp_path / "whole/log.csv")


def test_the_same_seed_gives_the_same_run_and_another_another(narrow, train, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(narrow("maskrcnn"), 3, folder=folder, seed=seed)
    a, b, c = (rows(tmp_path / folder / "log.csv") for folder in "abc")
    assert a == b
    assert a != c


def test_both_models_see_the_very_same_images_and_masks(narrow, train):
    seen = {}
    for name in ("unet", "maskrcnn"):
        network, seen[name] = narrow(name), []
        plain = network.losses

        def losses(images, targets, plain=plain, kept=seen[name]):
            kept.append((images.clone(), torch.stack([t.semantic for t in targets])))
            return plain(images, targets)

        network.losses = losses
        train(network, 4, folder=name)
    assert len(seen["unet"]) == 4
    assert any(semantic.any() for _, semantic in seen["unet"])
    for (a, b), (c, d) in zip(seen["unet"], seen["maskrcnn"]):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_a_resumed_run_sees_the_batches_it_has_not_seen(train):
    whole = Counting()
    train(whole, 5, folder="whole")
    first, second = Counting({2: raising(signal.SIGINT)}), Counting()
    with pytest.raises(Stopped, match="SIGINT"):
        train(first, 5)
    train(second, 5)
    seen = [*first.seen, *second.seen]
    assert (len(first.seen), len(second.seen)) == (2, 3)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(seen, whole.seen))


# The budget.


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


# What goes wrong.


def test_a_loss_that_is_not_finite_stops_and_says_where(train, tmp_path):
    def bad(terms):
        return terms | {"ten": terms["ten"] * float("nan"), "box": terms["n"] / 0}

    with pytest.raises(LesionsegError) as stopped:
        train(Counting({4: bad}), 9, checkpoint_every=2)
    message = str(stopped.value)
    assert message.startswith("loss ten, box is not finite on cases toy")
    assert "train.learning_rate" in message
    assert "\n" not in message
    assert read_progress(tmp_path / "run/checkpoint.safetensors").step == 2


def test_a_sum_that_overflows_is_not_finite_either(train):
    def huge(terms):
        return {name: term + 3e38 for name, term in terms.items()}

    with pytest.raises(LesionsegError, match="loss sum is not finite on cases toy"):
        train(Counting({1: huge}), 2)


def test_other_settings_and_a_damaged_checkpoint_are_not_resumed(train, tmp_path):
    train(Counting(), 2)
    with pytest.raises(UsageError, match=r"other settings or data; .*resume=false"):
        train(Counting(), 4, key="other")
    path = tmp_path / "run/checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UsageError, match=r"cannot be read; train again with train\.resume=false"):
        train(Counting(), 4)
    model = Counting()
    assert train(model, 4, key="other", resume=False) == 4
    assert model.calls == 4
    assert [step for step, name, _ in rows(tmp_path / "run/log.csv") if name == "n"] == [1, 2, 3, 4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_given_back_when_training_ends(train, number):
    mine = signal.signal(number, lambda *_: None)
    handler = signal.getsignal(number)
    try:
        with pytest.raises(Stopped):
            train(Counting({1: raising(number)}), 3)
        assert signal.getsignal(number) is handler
        with pytest.raises(LesionsegError):
            train(Counting({1: lambda terms: {"n": terms["n"] / 0}}), 3, folder="bad")
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, mine)


# The log and the terminal.


def test_the_log_holds_the_mean_of_each_term(train, tmp_path):
    train(Counting(), 7, log_every=3, learning_rate=1e-9)
    found = [row for row in rows(tmp_path / "run/log.csv") if row[1] != "learning_rate"]
    expected = [(3, "n", 2), (3, "ten", 10), (3, "loss", 12)]
    expected += [(6, "n", 5), (6, "ten", 10), (6, "loss", 15)]
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    np.testing.assert_allclose([r[2] for r in found], [r[2] for r in expected], rtol=1e-5)


def test_validation_is_logged_as_recall_and_false_positives_a_scan(train, toy_cases, tmp_path):
    counts = {"toy0": (3, 1, 4), "toy1": (5, 1, 0), "toy2": (0, 0, 1)}
    modes = []

    def count(network, case):
        modes.append(network.training)
        reference, found, false = counts[case.name]
        return {"num_reference": reference, "num_found": found, "num_false_positive": false}

    model = Counting()
    train(model, 5, validation=toy_cases, count_lesions=count, validate_every=2)
    found = [row for row in rows(tmp_path / "run/log.csv") if row[1].startswith("val")]
    expected = [("val_recall", 2 / 8), ("val_fp_per_scan", 5 / 3)]
    assert [row[:2] for row in found] == [
        (step, name) for step in (2, 4, 5) for name, _ in expected
    ]
    np.testing.assert_allclose([r[2] for r in found], 3 * [v for _, v in expected], rtol=1e-4)
    assert modes == [False] * 9  # judged as it predicts
    assert model.modes == [True] * 5


def test_without_a_terminal_training_says_nothing(narrow, train, capfd):
    train(narrow("unet"), 2)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_on_a_terminal_it_shows_how_far_it_is(train, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(Counting(), 6)
    out, err = capsys.readouterr()
    assert "loss" in out + err


# The machine.


def test_the_device_is_lightnings():
    assert lightning_device("cpu") == ("cpu", 1)
    with pytest.raises(UsageError, match="device"):
        lightning_device("gpu")


def test_the_cpu_computes_as_before_when_training_ends(train, toy_cases):
    """Quicker arithmetic is for the network alone; see models.device."""
    tiny, within = np.array([1e-310]), []

    def count(network, case):
        within.append((tiny * 1.0).any())
        return {"num_reference": 0, "num_found": 0, "num_false_positive": 0}

    train(Counting(), 2, validation=toy_cases[:1], count_lesions=count, validate_every=1)
    assert within
    assert not any(within)
    assert (tiny * 1.0).any()


@pytest.mark.parametrize("name", ["unet", "maskrcnn"])
def test_half_precision_trains_and_validates(narrow, train, toy_cases, tmp_path, name):
    from lesionseg.data.slabs import SlabRule
    from lesionseg.inference.operating_point import count_case

    network = narrow(name)
    before = weights(network)
    seen = []

    def count(model, case):
        seen.append(count_case(model, case, SlabRule(0, 1.0)))
        return seen[-1]

    options = {"precision": "bf16-mixed", "validate_every": 2, "count_lesions": count}
    train(network, 4, validation=[toy_cases[2]], **options)
    assert len(seen) == 2
    assert all(counts["num_reference"] == 3 for counts in seen)
    after = weights(network)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert {value.dtype for value in after.values()} <= {torch.float32, torch.int64}
