"""Training: the same weights and batches however often it was stopped."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from toy_networks import Counting, interrupted, raising, rows, same, weights

from lesionseg.errors import Stopped
from lesionseg.training.checkpoint import read_progress


@pytest.mark.parametrize("name", ["unet", "unet3d", "maskrcnn"])
def test_a_stopped_and_resumed_run_ends_with_the_very_same_weights(
    narrow, train, toy_blocks, tmp_path, name
):
    options = {"sampler": toy_blocks} if name == "unet3d" else {}
    whole = narrow(name)
    assert train(whole, 6, folder="whole", **options) == 6

    def stop():
        os.kill(os.getpid(), signal.SIGTERM)

    part = interrupted(narrow(name), 3, stop)
    with pytest.raises(Stopped, match="stopped by SIGTERM at step 3; the same command") as stopped:
        train(part, 6, folder="parts", **options)
    assert stopped.value.exit_code == 75
    assert read_progress(tmp_path / "parts/checkpoint.safetensors").step == 3
    resumed = narrow(name, seed=99)  # whose own start does not matter
    assert train(resumed, 6, folder="parts", **options) == 6
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

        def losses(images, targets, generator, plain=plain, kept=seen[name]):
            kept.append((images.clone(), torch.stack([t.semantic for t in targets])))
            return plain(images, targets, generator)

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
