"""A checkpoint: all of the state, whole or absent, nothing that could be executed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from lesionseg.errors import OutputError, UsageError
from lesionseg.training.checkpoint import Progress, load_checkpoint, read_progress, save_checkpoint


def state(seed, steps=2):
    """A small network with running means, its optimiser after some steps, and a generator."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(6, 2))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        model(torch.randn(2, 1, 8, 8)).square().mean().backward()
        optimiser.step()
    generator = torch.Generator().manual_seed(seed)
    torch.randperm(9, generator=generator)
    return model, optimiser, generator


def step(model, optimiser, generator):
    """One more step, that draws from both generators; the weights after it."""
    optimiser.zero_grad()
    noise = torch.randn(2, 1, 8, 8) + torch.randn(2, 1, 8, 8, generator=generator)
    model(noise).square().mean().backward()
    optimiser.step()
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture
def saved(tmp_path):
    """A checkpoint and what the next step after it gives."""
    path = tmp_path / "checkpoint.safetensors"
    model, optimiser, generator = state(1)
    save_checkpoint(path, model, optimiser, generator, Progress(2, 1.5, "key"))
    return path, step(model, optimiser, generator)


def test_the_next_step_after_loading_is_the_same(saved):
    path, expected = saved
    model, optimiser, generator = state(2, steps=1)
    progress = load_checkpoint(path, model, optimiser, generator, "key")
    assert progress == Progress(2, 1.5, "key")
    for name, value in step(model, optimiser, generator).items():
        assert torch.equal(value, expected[name]), name


def test_an_optimiser_that_never_stepped_can_take_the_state(saved):
    path, expected = saved
    model, optimiser, generator = state(2, steps=0)
    load_checkpoint(path, model, optimiser, generator, "key")
    for name, value in step(model, optimiser, generator).items():
        assert torch.equal(value, expected[name]), name


def test_a_run_without_a_step_can_be_saved(tmp_path):
    path = tmp_path / "new" / "checkpoint.safetensors"
    save_checkpoint(path, *state(1, steps=0), Progress(0, 0.0, "key"))
    assert load_checkpoint(path, *state(2, steps=0), "key").step == 0


def test_it_holds_tensors_and_json_and_no_pickle(saved):
    content = saved[0].read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert 8 + length + max(ends) == len(content)  # nothing beside the tensors
    assert json.loads(header["__metadata__"]["progress"])["step"] == 2
    assert not zipfile.is_zipfile(saved[0])


def test_another_key_is_refused_and_nothing_is_changed(saved):
    model, optimiser, generator = state(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UsageError, match="other settings or data"):
        load_checkpoint(saved[0], model, optimiser, generator, "another")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:5],
        lambda content: content[:-1],
        lambda content: b"\xff" * len(content),
        lambda content: content.replace(b'"step\\"', b'"stop\\"').replace(b"step", b"stop"),
        lambda content: b"\x80\x04N.",  # a pickle
    ],
)
def test_a_damaged_one_is_none_and_is_refused(saved, damage):
    path = saved[0]
    path.write_bytes(damage(path.read_bytes()))
    assert read_progress(path) is None
    with pytest.raises(UsageError, match="cannot be read"):
        load_checkpoint(path, *state(2), "key")


def test_where_there_is_none_there_is_no_progress(tmp_path):
    assert read_progress(tmp_path / "checkpoint.safetensors") is None


def test_a_save_that_fails_leaves_the_one_before(saved, monkeypatch):
    path = saved[0]
    before = path.read_bytes()

    plain = Path.write_bytes

    def half(partial, content):
        plain(partial, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OutputError, match="No space left on device"):
        save_checkpoint(path, *state(3), Progress(9, 9.0, "key"))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
