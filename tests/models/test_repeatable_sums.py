"""Gradients that many threads sum are the same from run to run."""

from __future__ import annotations

import torch

from lesionseg.models.device import repeatable_sums


def gradient():
    """Of a few values that many elements read, as anchors read cells: summed by two threads."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50, requires_grad=True)
    where = torch.randint(0, 50, (400_000,), generator=generator)
    weights = torch.randn(400_000, generator=generator)
    (values[where] * weights).sum().backward()
    return values.grad


def test_two_threads_sum_into_shared_places_in_one_order():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with repeatable_sums(torch.device("cpu")):
            first = gradient()
            for _ in range(15):
                assert torch.equal(gradient(), first)
    finally:
        torch.set_num_threads(before)
    assert not torch.are_deterministic_algorithms_enabled()
