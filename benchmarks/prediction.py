"""What prediction costs: seconds by model and part, a crowded scan, linking, and memory.

python benchmarks/prediction.py [RUN] [--scan A,B]

RUN: a run folder whose trained models are taken; without it, untrained ones. --scan: files of the
two channels, predicted beside two phantom heads of 135x168x134 and 182x218x182 voxels. Models take
turns on each scan, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line does

import numpy as np
import torch
from scipy import ndimage

from lesionseg import read_volume
from lesionseg.cli import compose
from lesionseg.datasets.phantom.cohort import draw_scan
from lesionseg.inference import LoadedModel, lesion_maps, load_model, predict_case
from lesionseg.inference import predict as predict_room
from lesionseg.inference.linking import link_slices
from lesionseg.models.device import channels_last
from lesionseg.models.interface import Detections
from lesionseg.models.registry import Task, build_network
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.structures import OperatingPoint, Volume

RUNS = 5
NAMES = ("unet", "maskrcnn")
SHAPES = ((135, 168, 134), (182, 218, 182))
LARGE = (512, 512, 400)
LINKED = 1000


def main() -> None:
    asked = _arguments()
    if asked.peak:
        _tell_peak(asked.peak, asked.run)
        return
    models = {name: _model(name, asked.run) for name in NAMES}
    scans = {" x ".join(map(str, shape)): _head(shape) for shape in SHAPES}
    if asked.scan:
        scans["given scan"] = [read_volume(path) for path in asked.scan.split(",")]
    for title, scan in scans.items():
        _compare(title, models, scan)
    usual = scans[" x ".join(map(str, SHAPES[0]))]
    _compare("512 detections a slice", {"maskrcnn": _crowded()}, usual)
    _tell_linking()
    for name in NAMES:
        words = [sys.executable, __file__, "--peak", name, *([str(asked.run)] if asked.run else [])]
        subprocess.run(words, check=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--scan", default="")
    parser.add_argument("--peak", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _head(shape: Sequence[int]) -> list[Volume]:
    image, _, _ = draw_scan(np.random.default_rng(0), grid="isotropic")
    factors = np.divide(shape, image.shape[1:])
    return [Volume(ndimage.zoom(channel, factors, order=1), np.eye(4)) for channel in image]


def _model(name: str, run: Path | None, **roi_rule: float) -> LoadedModel:
    if run:
        return load_model(run / "models" / name, "cpu")
    torch.manual_seed(0)
    plan = Plan((ChannelPlan("FLAIR", "mri", "zscore"), ChannelPlan("T1", "mri", "zscore")), 1.0)
    shipped = compose("train", ["output=x"]).network.of(name).plain()
    settings = planned_settings(shipped, plan.detector)
    if roi_rule:
        settings["roi_rule"] = settings["roi_rule"] | roi_rule
    network = build_network(name, settings, Task(2, 3, 1))
    channels_last(network).eval()
    return LoadedModel(name, network, plan, (OperatingPoint(0.5, 0.5),), (3, 5, 10), "", {})


def _crowded() -> LoadedModel:
    """A detector that keeps whatever it proposes, and a threshold that keeps its masks."""
    model = _model("maskrcnn", None, score_floor=0.0, nms_iou=1.0)
    return dataclasses.replace(model, points=(OperatingPoint(0.3, 0.0),))


def _compare(title: str, models: dict[str, LoadedModel], scan: Sequence[Volume]) -> None:
    wall: dict[str, list[float]] = {name: [] for name in models}
    work: dict[str, list[float]] = {name: [] for name in models}
    after: dict[str, list[float]] = {name: [] for name in models}
    numbers = {}
    for _ in range(RUNS):
        for name, model in models.items():
            with _timed_after() as parts:
                start, cpu = time.perf_counter(), time.process_time()
                found = predict_case(model, scan)
                wall[name].append(time.perf_counter() - start)
                work[name].append(time.process_time() - cpu)
            after[name].append(sum(parts))
            numbers[name] = len(found.candidates.scores)
    for name in models:
        seconds = wall[name]
        share = statistics.median(after[name]) / statistics.median(seconds)
        print(
            f"{title}: {name}: median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to "
            f"{max(seconds):.2f}, {statistics.median(work[name]):.2f} s CPU, linking and the way "
            f"to the scan's grid {100 * share:.0f} %, {numbers[name]} candidate lesions"
        )
    if len(models) > 1:
        ratio = statistics.median(work["maskrcnn"]) / statistics.median(work["unet"])
        print(f"{title}: maskrcnn takes {ratio:.1f} times the CPU seconds of unet")


@contextmanager
def _timed_after() -> Iterator[list[float]]:
    """Seconds of what follows the network."""
    seconds: list[float] = []

    def timed(function):
        def call(*arguments, **keywords):
            start = time.perf_counter()
            answer = function(*arguments, **keywords)
            seconds.append(time.perf_counter() - start)
            return answer

        return call

    with (
        mock.patch.object(lesion_maps, "link_slices", timed(lesion_maps.link_slices)),
        mock.patch.object(predict_room, "to_original_grid", timed(predict_room.to_original_grid)),
        mock.patch.object(predict_room, "join_classes", timed(predict_room.join_classes)),
    ):
        yield seconds


def _tell_linking() -> None:
    """LINKED lesions of three slices each, at random places of 134 slices of 135 x 168."""
    rng = np.random.default_rng(0)
    boxes: list[list[list[float]]] = [[] for _ in range(134)]
    for _ in range(LINKED):
        first, x, y = rng.integers(131), rng.uniform(0, 150), rng.uniform(0, 120)
        for index in range(first, first + 3):
            boxes[index].append([x, y, x + 6, y + 6])
    slices = [
        Detections(
            torch.tensor(own).reshape(-1, 4),
            torch.full((len(own),), 0.5),
            torch.ones(len(own), dtype=torch.long),
            torch.ones(len(own), 14, 14),
        )
        for own in boxes
    ]
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        found = link_slices(slices, (135, 168), affine=np.eye(4), slab_axis=2)
        seconds.append(time.perf_counter() - start)
    print(
        f"linking {sum(map(len, boxes))} detections: median {statistics.median(seconds):.2f} s, "
        f"{len(found.scores)} lesions"
    )


def _tell_peak(name: str, run: Path | None) -> None:
    rng = np.random.default_rng(0)
    values = np.zeros(LARGE, np.int16)
    inside = tuple(slice(size // 8, -size // 8) for size in LARGE)
    values[inside] = 200
    for plane in values:
        plane += rng.integers(-20, 20, plane.shape, np.int16)
    model = _model(name, run)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = predict_case(model, [Volume(values, np.eye(4))] * len(model.plan.channels))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{' x '.join(map(str, LARGE))}, {len(model.plan.channels)} channels: {name}: peak "
        f"{peak / 1e6:.1f} GB, {before / 1e6:.1f} GB before, "
        f"{time.perf_counter() - start:.0f} s, {len(found.candidates.scores)} candidate lesions"
    )


if __name__ == "__main__":
    main()
