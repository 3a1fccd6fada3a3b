"""Seconds to predict a 134-slice 135x168 two-channel head with each model, preprocessing included.

python benchmarks/prediction.py [RUN]     RUN: a run folder whose trained models are taken;
                                          without it, untrained ones (far more detections)
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy import ndimage

from lesionseg.data.phantom import draw_scan
from lesionseg.data.plan import ChannelPlan, Plan
from lesionseg.inference import LoadedModel, load_model, predict_case
from lesionseg.models.build import build_model
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
            delivered = predict_case(model, scan)
            seconds.append(time.perf_counter() - start)
        print(
            f"{name}: median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to "
            f"{max(seconds):.2f}, {len(delivered.candidate_scores)} candidate lesions"
        )


def _untrained(name: str) -> LoadedModel:
    conf = Path(__file__).resolve().parent.parent / "conf" / "network" / f"{name}.yaml"
    settings = yaml.safe_load(conf.read_text(encoding="utf-8"))
    network = build_model(name, settings, in_channels=6, num_classes=1)
    channels_last(network).eval()
    plan = Plan((ChannelPlan("FLAIR", "mri"), ChannelPlan("T1", "mri")), 1.0)
    return LoadedModel(name, network, plan, OperatingPoint(0.5, 0.5), (3, 5, 10), "", {})


if __name__ == "__main__":
    main()
