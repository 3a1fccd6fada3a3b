"""Which device computes, and that the CPU's arithmetic is given back as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from lesionseg.errors import UsageError
from lesionseg.models.device import flushed_denormals, torch_device, training_precision

TINY = np.array([5e-324, 1e-310])


def flushed():
    return not (TINY * 1.0).any() and not (torch.tensor([1e-42]) * 1.0).any()


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", "mps:1", "", "cuda:-1", "cuda:999"])
def test_a_device_that_is_unknown_or_not_there_is_refused(name):
    with pytest.raises(UsageError, match="device"):
        torch_device(name)


def test_the_cpu_is_always_there():
    assert torch_device("cpu") == torch.device("cpu")
    assert torch_device("auto").type in ("cpu", "cuda", "mps")


def test_denormals_are_flushed_within_and_kept_outside():
    assert not flushed()
    with flushed_denormals():
        assert flushed()
        with flushed_denormals():
            assert flushed()
        assert flushed()  # the inner one leaves the outer one alone
    assert not flushed()
    with pytest.raises(KeyError), flushed_denormals():
        raise KeyError
    assert not flushed()


def test_a_tree_of_points_at_zero_can_be_built_after_a_network_has_computed():
    """Most coordinates zero, some far away: with flushed denormals scipy recurses without end."""
    points = np.zeros((40, 3))
    points[30:, 0] = 100
    points[:, 1] = np.arange(40) % 7
    with flushed_denormals():
        torch.nn.Conv2d(1, 1, 3)(torch.ones(1, 1, 8, 8))
    assert cKDTree(points).query([0.0, 0.0, 0.0])[0] == 0


@pytest.mark.parametrize(
    ("device", "able", "wanted", "expected"),
    [
        ("cuda", {}, "auto", "bf16-mixed"),
        ("cuda", {"cuda": False}, "auto", "32-true"),
        ("mps", {"avx512_bf16": True}, "auto", "32-true"),
        ("cpu", {"avx512_bf16": True}, "auto", "bf16-mixed"),
        ("cpu", {"amx_bf16": True, "avx512_bf16": False}, "auto", "bf16-mixed"),
        ("cpu", {"avx512_bf16": False}, "auto", "32-true"),
        ("cpu", {}, "auto", "32-true"),
        ("cpu", {"avx512_bf16": True}, "32-true", "32-true"),
        ("cuda", {}, "16-mixed", "16-mixed"),
    ],
)
def test_half_precision_is_chosen_where_it_is_quicker(monkeypatch, device, able, wanted, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: able.get("cuda", True))
    assert training_precision(wanted, torch.device(device)) == expected
