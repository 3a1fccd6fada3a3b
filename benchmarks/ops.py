"""RoIAlign against a plain formulation, and non-maximum suppression: seconds on this machine.

python benchmarks/ops.py
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line does

import torch
from torch import Tensor

from lesionseg.ops import nms, roi_align, roi_pool, roi_resize

RUNS, WARMUP = 20, 3


def main() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 64, 96, 96)
    boxes = [_boxes(64, 96.0, 12.0) for _ in range(2)]
    slow = _median(lambda: _there_and_back(plain_roi_align, features, boxes))
    print(f"128 RoIs, 64 channels, 7x7, two 96x96 maps, {torch.get_num_threads()} threads")
    print(f"plain corners    {slow:.4f} s forward and backward")
    for name, operation in (
        ("roi_align", roi_align),
        ("roi_pool", roi_pool),
        ("roi_resize", roi_resize),
    ):
        seconds = _median(lambda operation=operation: _there_and_back(operation, features, boxes))
        print(f"{name:<16} {seconds:.4f} s, {seconds / slow:.2f} of the plain one")
    for num, side in ((1_000, 400.0), (10_000, 1300.0)):
        spread, scores = _boxes(num, side, 12.0), torch.rand(num)
        seconds = _median(lambda b=spread, s=scores: nms(b, s, 0.5))
        kept = len(nms(spread, scores, 0.5))
        print(f"nms of {num:>6} boxes {1000 * seconds:.1f} ms, {kept} kept")


def plain_roi_align(
    features: Tensor, boxes: Sequence[Tensor], bins: int, scale: float, ratio: int = 2
) -> Tensor:
    """RoIAlign that gathers the four corners of every sample, the way it is usually written."""
    _, channels, height, width = features.shape
    pooled = []
    for image, rois in zip(features, boxes):
        low, high = (rois * scale - 0.5).split(2, dim=1)
        step = (torch.arange(bins * ratio) + 0.5) / (bins * ratio)
        place = low[:, None] + (high - low)[:, None] * step[None, :, None]  # (R, S, 2)
        x, y = place[..., 0].clamp(0, width - 1), place[..., 1].clamp(0, height - 1)
        x0, y0 = x.floor().long(), y.floor().long()
        x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
        fx, fy = (x - x0)[:, None, None, :], (y - y0)[:, None, :, None]

        def corner(row: Tensor, column: Tensor, image: Tensor = image) -> Tensor:
            return image[:, row[:, :, None], column[:, None, :]].movedim(0, 1)  # (R, C, S, S)

        value = (
            corner(y0, x0) * (1 - fy) * (1 - fx)
            + corner(y0, x1) * (1 - fy) * fx
            + corner(y1, x0) * fy * (1 - fx)
            + corner(y1, x1) * fy * fx
        )
        shape = (len(rois), channels, bins, ratio, bins, ratio)
        pooled.append(value.reshape(shape).mean(dim=(3, 5)))
    return torch.cat(pooled)


def _there_and_back(
    operation: Callable[..., Tensor], features: Tensor, boxes: Sequence[Tensor]
) -> None:
    leaf = features.clone().requires_grad_()
    operation(leaf, boxes, 7, 1.0).sum().backward()


def _boxes(num: int, extent: float, side: float) -> Tensor:
    low = torch.rand(num, 2) * (extent - side)
    return torch.cat([low, low + 2 + torch.rand(num, 2) * (side - 2)], dim=1)


def _median(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(WARMUP + RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARMUP:])


if __name__ == "__main__":
    main()
