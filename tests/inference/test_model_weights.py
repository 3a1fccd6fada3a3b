"""Weights that are not those of the model beside them, or of no model at all."""

import hashlib
import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save

from lesionseg.errors import UsageError
from lesionseg.inference import load_model
from lesionseg.inference.model_store import trained_parts
from lesionseg.models.registry import build_network


def with_their_hash(folder):
    """Puts the hash of the weights as they are into model.json."""
    content = json.loads((folder / "model.json").read_text())
    weights = (folder / "weights.safetensors").read_bytes()
    content["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    (folder / "model.json").write_text(json.dumps(content))


def test_weights_of_another_model_are_refused_and_trained_again(saved):
    folder, _ = saved
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert trained_parts(folder) is None
    with pytest.raises(UsageError, match="do not match"):
        load_model(folder)


def test_a_whole_model_of_another_shape_is_refused(saved, tmp_path):
    """Weights and their hash agree, but the network that model.json describes is another."""
    folder, _ = saved
    content = json.loads((folder / "model.json").read_text())
    content["settings"]["box_width"] = 16
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"not a model folder: .*size mismatch") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 7, 1000])
def test_weights_that_are_cut_short_are_refused_whatever_their_hash(saved, length):
    folder, _ = saved
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:length])
    with_their_hash(folder)
    with pytest.raises(UsageError, match="not a model folder"):
        load_model(folder)


def test_a_pickle_in_place_of_the_weights_is_not_opened(saved, tmp_path):
    folder, _ = saved
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return ran.touch, ()

    weights = folder / "weights.safetensors"
    weights.write_bytes(pickle.dumps(Bomb()))
    with_their_hash(folder)
    with pytest.raises(UsageError, match="not a model folder"):
        load_model(folder)
    assert not ran.exists()


def with_weights(folder, change):
    """Weights after a change, and their hash in model.json."""
    weights = folder / "weights.safetensors"
    tensors = load_file(weights)
    change(tensors)
    weights.write_bytes(save(tensors))
    with_their_hash(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(saved, value):
    folder, _ = saved
    with_weights(folder, lambda tensors: tensors["dense.classify.weight"].fill_(value))
    with pytest.raises(UsageError, match=r"NaN or infinite values in dense\.classify\.weight"):
        load_model(folder)


def test_weights_without_a_tensor_or_with_one_more_are_refused(saved):
    folder, _ = saved
    with_weights(folder, lambda tensors: tensors.pop("dense.classify.weight"))
    with pytest.raises(UsageError, match=r"size mismatch of dense\.classify\.weight: None"):
        load_model(folder)
    with_weights(folder, lambda tensors: tensors.update(more=torch.zeros(1)))
    with pytest.raises(UsageError, match="size mismatch of"):
        load_model(folder)


def test_no_memory_is_taken_for_a_network_that_its_weights_are_not_of(saved, monkeypatch):
    """4096 channels in every layer would take gigabytes."""
    folder, _ = saved
    content = json.loads((folder / "model.json").read_text())
    content["settings"] |= {"pyramid_channels": 4096, "box_width": 4096, "mask_width": 4096}
    (folder / "model.json").write_text(json.dumps(content))
    devices = []

    def build(*args):
        devices.append(torch.get_default_device().type)
        return build_network(*args)

    monkeypatch.setattr("lesionseg.inference.model_store.build_network", build)
    with pytest.raises(UsageError, match="size mismatch"):
        load_model(folder)
    assert devices == ["meta"]  # tensors of shapes alone
