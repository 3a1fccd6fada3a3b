"""Seconds to predict a 134-slice 135x168 two-channel head with each model, preprocessing included.

python benchmarks/prediction.py [RUN]     RUN: a run folder whose trained models are taken;
                                          without it, untrained ones (far more detections)
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line does

import numpy as np
import torch
from scipy import ndimage

from lesionseg.cli import compose
from lesionseg.datasets.phantom.cohort import draw_scan
from lesionseg.inference import LoadedModel, load_model, predict_case
from lesionseg.models.device import channels_last
from lesionseg.models.registry import Task, build_network
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.structures import OperatingPoint, Volume

RUNS = 5
SHAPE = (135, 168, 134)


def main() -> None:
    torch.manual_seed(0)
    image, _, _ = draw_scan(np.random.default_rng(0), grid="isotropic")
    factors = np.divide(SHAPE, image.shape[1:])
    scan = [Volume(ndimage.zoom(channel, factors, order=1), np.eye(4)) for channel in image]
    for name in ("unet", "maskrcnn"):
        model = (
            load_model(Path(sys.argv[1]) / "models" / name) if sys.argv[1:] else _untrained(name)
        )
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            found = predict_case(model, scan)
            seconds.append(time.perf_counter() - start)
        print(
            f"{name}: median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to "
            f"{max(seconds):.2f}, {len(found.candidates.scores)} candidate lesions"
        )


def _untrained(name: str) -> LoadedModel:
    plan = Plan((ChannelPlan("FLAIR", "mri", "zscore"), ChannelPlan("T1", "mri", "zscore")), 1.0)
    shipped = compose("train", ["output=x"]).network.of(name).plain()
    settings = planned_settings(shipped, plan.detector)
    if "roi_rule" in settings:  # untrained scores lie below the floor
        settings["roi_rule"] = settings["roi_rule"] | {"score_floor": 0.0}
    network = build_network(name, settings, Task(2, 3, 1))
    channels_last(network).eval()
    return LoadedModel(name, network, plan, (OperatingPoint(0.5, 0.5),), (3, 5, 10), "", {})


if __name__ == "__main__":
    main()
