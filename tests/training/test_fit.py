"""Training: what goes wrong in it, what it tells, and what it does to the machine."""

from __future__ import annotations

import signal
import sys

import numpy as np
import pytest
import torch
from toy_networks import Counting, raising, rows, weights

from lesionseg.errors import LesionsegError, Stopped, UsageError
from lesionseg.training.checkpoint import read_progress
from lesionseg.training.fit import lightning_device


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
    from lesionseg.inference.class_thresholds import count_case
    from lesionseg.slabs.slab import SlabRule

    network = narrow(name)
    before = weights(network)
    seen = []

    def count(model, case):
        seen.append(count_case(model, case, SlabRule(0, 1.0), 1))
        return seen[-1]

    options = {"precision": "bf16-mixed", "validate_every": 2, "count_lesions": count}
    train(network, 4, validation=[toy_cases[2]], **options)
    assert len(seen) == 2
    assert all(counts["num_reference"] == 3 for counts in seen)
    after = weights(network)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert {value.dtype for value in after.values()} <= {torch.float32, torch.int64}


def test_gradients_are_summed_in_one_order_while_it_trains_and_not_after(train):
    seen = []

    def look(terms):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return terms

    train(Counting({1: look}), 1)
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()
