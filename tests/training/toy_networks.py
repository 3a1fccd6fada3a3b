"""A network that counts its losses, ways to interrupt one, and what is left of a run."""

from __future__ import annotations

import csv
import os

import torch
from torch import nn


class Counting(nn.Module):
    """One weight; its n-th loss is made of n and 10, and `at` may act on a step."""

    def __init__(self, at=None):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.at, self.calls, self.modes, self.seen = at or {}, 0, [], []

    def losses(self, images, targets, generator=None):
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

    def losses(images, targets, generator):
        calls.append(1)
        if len(calls) == after:
            act()
        return plain(images, targets, generator)

    network.losses = losses
    return network
