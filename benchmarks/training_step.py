"""Seconds of one training step on eight 96x96 slabs of 6 channels: forward, backward, update.

python benchmarks/training_step.py [NAME ...]     and of the Mask R-CNN, where they go
"""

from __future__ import annotations

import os
import statistics
import sys
import time

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line does

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from lesionseg.cli import compose
from lesionseg.models.device import channels_last
from lesionseg.models.registry import Task, build_network
from lesionseg.models.targets import Target, slice_target
from lesionseg.planning.anchor_plan import plan_detector, planned_settings

STEPS, WARMUP = 20, 5


def main() -> None:
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images = torch.randn(8, 6, 96, 96).contiguous(memory_format=torch.channels_last)
    targets = [_blobs(rng) for _ in range(8)]
    names = sys.argv[1:] or ["unet", "maskrcnn"]
    for name in names:
        network = shipped_network(name, targets)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        seconds = []
        for _ in range(WARMUP + STEPS):
            start = time.perf_counter()
            terms = network.losses(images, targets)
            optimiser.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimiser.step()
            seconds.append(time.perf_counter() - start)
        kept = seconds[WARMUP:]
        if name == "maskrcnn":
            _tell_parts(network, images, targets)
        print(
            f"{name}: median {statistics.median(kept):.3f} s a step, "
            f"{min(kept):.3f} to {max(kept):.3f}, {STEPS} steps, {torch.get_num_threads()} threads"
        )


def shipped_network(name: str, targets: list[Target]) -> nn.Module:
    """The network of conf/network, planned on the boxes of these slabs, three slices each."""
    boxes = torch.cat([target.boxes for target in targets]).double().numpy()
    sides = boxes[:, 2:] - boxes[:, :2]
    plan = plan_detector(sides, ["all"], np.zeros(len(sides), int), np.random.default_rng(0))
    shipped = compose("train", ["output=x"]).network.of(name).plain()
    settings = planned_settings(shipped, plan)
    return channels_last(build_network(name, settings, Task(2, 3, 1)))


def _tell_parts(network: nn.Module, images: torch.Tensor, targets: list[Target]) -> None:
    """Forward seconds of the detector's parts, and the backward pass as a whole."""
    parts = {
        "backbone": (network.backbone, "forward"),
        "rpn": (network.rpn, "forward"),
        "proposals": (network.rpn, "proposals"),
        "rpn losses": (network.rpn, "loss_terms"),
        "box head": (network.roi_heads, "_classify"),
        "mask head": (network.roi_heads, "_masks"),
        "dense head": (network, "_dense_term"),
    }
    for label, (module, method) in parts.items():
        setattr(module, method, _recorded(getattr(module, method), label))
    with profile(activities=[ProfilerActivity.CPU]) as found:
        with record_function("forward"):
            total = torch.stack(list(network.losses(images, targets).values())).sum()
        with record_function("backward"):
            total.backward()
    seconds = {event.key: event.cpu_time_total / 1e6 for event in found.key_averages()}
    words = [f"{label} {seconds[label]:.3f}" for label in (*parts, "forward", "backward")]
    print(f"where the step goes, s (profiled): {', '.join(words)}")


def _recorded(function, label):
    def call(*arguments, **keywords):
        with record_function(label):
            return function(*arguments, **keywords)

    return call


def _blobs(rng: np.random.Generator) -> Target:
    ids = np.zeros((96, 96), np.int32)
    for lesion in range(1, int(rng.integers(2, 12))):
        row, column = rng.integers(0, 86, 2)
        side = int(rng.integers(2, 10))
        ids[row : row + side, column : column + side] = lesion
    return slice_target(ids)


if __name__ == "__main__":
    main()
