"""Settings that ask for more memory than there is are refused before any of it is taken."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lesionseg.errors import UsageError
from lesionseg.models.registry import Task, build_network
from lesionseg.settings.unet import UNetSettings
from lesionseg.settings.unet3d import UNet3DSettings
from lesionseg.storage import memory
from lesionseg.training import memory_needed
from lesionseg.training.memory_needed import kept_bytes, refuse_training_beyond_memory


class OneProduct(nn.Module):
    """Keeps its input times a weight, of as many values, and 100 more for each window."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.heads = nn.Parameter(torch.ones(100))

    def losses(self, images, targets, generator=None):
        assert all(len(one.boxes) == 1 for one in targets)
        per_window = torch.ones(len(targets), 100) * self.heads
        return {"a": (images * self.weight).sum(), "b": per_window.sum()}


@pytest.mark.parametrize("side", [32, 100, 512])
def test_what_is_kept_is_carried_from_small_windows_to_any(side):
    """Two channels of 4 bytes are kept for the weight's gradient, and 400 bytes a window."""
    assert kept_bytes(OneProduct(), 2, side) == pytest.approx(8 * side**2 + 400)


def asked(**changes):
    wanted = {"name": "unet", "batch_size": 1000, "window_px": 100, "precision": "32-true"}
    wanted |= {"device": "cpu"} | changes
    refuse_training_beyond_memory(OneProduct, 2, **wanted)


def test_a_batch_is_refused_where_it_takes_more_than_most_of_the_memory(monkeypatch):
    """1,000 windows of 100 px keep 80.4 MB."""
    monkeypatch.setattr(memory, "free_memory", lambda: 101_000_000)
    asked()
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000_000)
    with pytest.raises(UsageError) as caught:
        asked()
    said = str(caught.value)
    assert said.startswith("unet: a step of 1000 slabs of 100 x 100 px and 2 channels: 0.1 GB of")
    assert "set a smaller sampling.batch_size" in said
    asked(precision="bf16-mixed")  # half as much
    asked(batch_size=900)


def test_weights_are_counted_before_they_are_made(monkeypatch):
    """101 weights of 16 bytes; the network is never built but on no memory."""
    monkeypatch.setattr(memory, "free_memory", lambda: 2000)
    made = []

    def build():
        made.append(torch.empty(0).device.type)
        return OneProduct()

    with pytest.raises(UsageError, match=r"unet: training 101 weights: 0\.0 GB .* widths in"):
        refuse_training_beyond_memory(
            build, 2, name="unet", batch_size=1, window_px=32, precision="32-true", device="cpu"
        )
    assert made == ["meta"]


@pytest.mark.parametrize("name", ["unet", "maskrcnn", "fasterrcnn", "fcn", "detect_then_segment"])
def test_every_network_can_be_asked_and_random_numbers_stay_as_they_were(narrow, name, monkeypatch):
    monkeypatch.setattr(memory_needed, "refuse_settings_beyond_memory", lambda *_: None)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    wanted = {"name": name, "batch_size": 2, "window_px": 48, "precision": "32-true"}
    seeds = iter((1, 2))
    refuse_training_beyond_memory(lambda: narrow(name, seed=next(seeds)), 2, device="cpu", **wanted)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert kept_bytes(narrow(name), 2, 64) > kept_bytes(narrow(name), 2, 48) > 2 * 48**2 * 4


def test_the_widest_network_that_settings_admit_is_refused_by_its_weights(monkeypatch):
    """Its deepest convolutions alone have 4,096 x 4,096 x 9 weights each."""
    from lesionseg.models.registry import Task, build_network

    monkeypatch.setattr(memory, "free_memory", lambda: 30 * 10**9)
    widest = UNetSettings(channels=(4096,) * 10).plain()
    with pytest.raises(UsageError, match=r"smaller widths in network\.unet"):
        refuse_training_beyond_memory(
            lambda: build_network("unet", widest, Task(2, 3, 1)),
            6,
            name="unet",
            batch_size=1,
            window_px=32,
            precision="32-true",
            device="cpu",
        )


def test_blocks_are_named_as_what_takes_the_memory(monkeypatch):
    settings = UNet3DSettings(
        block_slices=8,
        window_px=32,
        channels=(4, 4, 4),
        strides=((1, 1, 1),) * 3,
        kernels=((3, 3, 3),) * 3,
    )
    monkeypatch.setattr(memory, "free_memory", lambda: 20_000_000)
    with pytest.raises(UsageError) as caught:
        refuse_training_beyond_memory(
            lambda: build_network("unet3d", settings.plain(), Task(2, 3, 1)),
            2,
            name="unet3d",
            batch_size=500,
            window_px=32,
            precision="32-true",
            device="cpu",
        )
    said = str(caught.value)
    assert "unet3d: a step of 500 blocks of 8 slices of 32 x 32 px and 2 channels" in said
    assert "set a smaller batch_size, window_px or block_slices of network.unet3d" in said
