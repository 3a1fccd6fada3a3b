"""Seconds of one training step on eight 96x96 slabs of 6 channels: forward, backward, update.

python benchmarks/training_step.py
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from lesionseg.models.build import build_model
from lesionseg.models.targets import Target, slice_target

STEPS, WARMUP = 20, 5


def main() -> None:
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images = torch.randn(8, 6, 96, 96).contiguous(memory_format=torch.channels_last)
    targets = [_blobs(rng) for _ in range(8)]
    conf = Path(__file__).resolve().parent.parent / "conf" / "network"
    for name in ("unet", "maskrcnn"):
        settings = yaml.safe_load((conf / f"{name}.yaml").read_text(encoding="utf-8"))
        network = build_model(name, settings, in_channels=6, num_classes=1)
        channels_last(network)
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
        print(
            f"{name}: median {statistics.median(kept):.3f} s a step, "
            f"{min(kept):.3f} to {max(kept):.3f}, {STEPS} steps, {torch.get_num_threads()} threads"
        )


def _blobs(rng: np.random.Generator) -> Target:
    ids = np.zeros((96, 96), np.int32)
    for lesion in range(1, int(rng.integers(2, 12))):
        row, column = rng.integers(0, 86, 2)
        side = int(rng.integers(2, 10))
        ids[row : row + side, column : column + side] = lesion
    return slice_target(ids)


if __name__ == "__main__":
    main()
