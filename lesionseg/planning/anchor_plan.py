"""Anchors, strides and mask size for a detector, fitted on the boxes of all training lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import UsageError
from lesionseg.planning.anchor_fit import (
    NARROW_PX,
    NUM_LEVELS,
    Level,
    best_iou,
    fit_anchors,
    random_corners,
)
from lesionseg.settings.fusion import MEMBERS

PLANNED, POINTS = "planned", "points"
POINT_STRIDES = 3.0  # side of the one anchor a cell, in strides of its level
FINE_PX = 2.0  # 5th percentile of box sides at or below which a finest stride of 1 is asked for
MASK_CELLS = (14, 20, 28)
WINDOWS_PX = (64, 96, 128, 160, 192)  # sides of a training window; a step's cost grows with them
WHOLE_PERCENTILE = 95  # of outlines must fit into a window with WINDOW_MARGIN_PX on either side
WINDOW_MARGIN_PX = 8
REPORTED_IOUS = (0.3, 0.5, 0.7)

# what a detector has where there is no lesion to fit anchors on
WITHOUT_LESIONS: tuple[Level, ...] = (
    ((2.0, 2.0, 1), (3.0, 3.0, 1), (4.5, 4.5, 1), (7.0, 7.0, 1), (10.0, 10.0, 1)),
    ((14.0, 14.0, 1), (20.0, 20.0, 1)),
    ((28.0, 28.0, 1), (40.0, 40.0, 1)),
    ((56.0, 56.0, 1), (80.0, 80.0, 1)),
)


@dataclass(frozen=True)
class DetectorPlan:
    """anchors: by finest stride, for each pyramid level rows of width, height and density.

    finest_stride: asked for by the data; a small backbone may still start at 2. mask_bins: half the
    side of a mask. mean_box_px: mean side of the boxes. window_px: side of a training window that
    holds all but the widest outlines whole. coverage: for people, by size bucket.
    """

    finest_stride: int = 2
    anchors: Mapping[int, tuple[Level, ...]] = field(default_factory=lambda: {2: WITHOUT_LESIONS})
    mask_bins: int = 7
    mean_box_px: float = 6.0
    window_px: int = 64
    coverage: tuple[str, ...] = ()


def plan_detector(
    boxes_px: NDArray[np.float64],
    buckets: Sequence[str],
    bucket_of: NDArray[np.int64],
    rng: np.random.Generator,
) -> DetectorPlan:
    """boxes_px: (M, 2) width and height of every 2D piece of every training lesion, M at least 1.

    buckets: names of the size buckets; bucket_of: (M,) that of each piece's lesion. Every box
    counts, at random places within a pixel and on whole pixels.
    """
    sides = np.maximum(np.rint(boxes_px), 1.0)
    fifth = float(np.percentile(sides.max(axis=1), 5))
    finest = 1 if fifth <= FINE_PX else 2
    strides = sorted({finest, 2})
    anchors = {stride: fit_anchors(sides, stride, rng) for stride in strides}
    large = float(np.percentile(sides.max(axis=1), 75))
    cells = next((m for m in MASK_CELLS if m >= large + 2), MASK_CELLS[-1])
    best = best_iou(sides, anchors[2], 2, random_corners(len(sides), rng))
    return DetectorPlan(
        finest_stride=finest,
        anchors=anchors,
        mask_bins=cells // 2,
        mean_box_px=round(float(np.sqrt(sides.prod(axis=1)).mean()), 2),
        window_px=_window(float(np.percentile(sides.max(axis=1), WHOLE_PERCENTILE))),
        coverage=_in_words(best, sides, buckets, bucket_of),
    )


def _window(widest_px: float) -> int:
    wanted = widest_px + 2 * WINDOW_MARGIN_PX
    return next((side for side in WINDOWS_PX if side >= wanted), WINDOWS_PX[-1])


def _in_words(
    best: NDArray[np.float64],
    sides: NDArray[np.float64],
    buckets: Sequence[str],
    bucket_of: NDArray[np.int64],
) -> tuple[str, ...]:
    rows = [(f"lesions {name}", bucket_of == i) for i, name in enumerate(buckets)]
    narrow = sides.max(axis=1) <= NARROW_PX
    rows += [(f"outlines at most {NARROW_PX} px wide", narrow), ("all", narrow | ~narrow)]
    words = []
    for name, chosen in rows:
        if not chosen.any():
            continue
        shares = ", ".join(
            f"{100 * float((best[chosen] >= iou).mean()):.0f} % of IoU {iou:g} or more"
            for iou in REPORTED_IOUS
        )
        words.append(f"{name}: of {int(chosen.sum())} outlines in a slice, best anchor {shares}")
    return tuple(words)


def detector_content(plan: DetectorPlan) -> dict[str, Any]:
    """The plan as plain data. Inverse: detector_from."""
    return {
        "finest_stride": plan.finest_stride,
        "anchors": {
            str(stride): [[list(shape) for shape in level] for level in levels]
            for stride, levels in plan.anchors.items()
        },
        "mask_bins": plan.mask_bins,
        "mean_box_px": plan.mean_box_px,
        "window_px": plan.window_px,
        "coverage": list(plan.coverage),
    }


def detector_from(content: Mapping[str, Any]) -> DetectorPlan:
    """Inverse of detector_content. Raises KeyError or TypeError for anything else."""
    return DetectorPlan(
        finest_stride=int(content["finest_stride"]),
        anchors={
            int(stride): tuple(
                tuple((float(w), float(h), int(d)) for w, h, d in level) for level in levels
            )
            for stride, levels in content["anchors"].items()
        },
        mask_bins=int(content["mask_bins"]),
        mean_box_px=float(content["mean_box_px"]),
        window_px=int(content["window_px"]),
        coverage=tuple(content["coverage"]),
    )


def point_anchors(finest_stride: int) -> list[list[list[float]]]:
    """One square anchor a cell: less a guess of the lesion than a place to measure its box from."""
    sides = [POINT_STRIDES * finest_stride * 2**level for level in range(NUM_LEVELS)]
    return [[[side, side, 1]] for side in sides]


def planned_settings(settings: Mapping[str, Any], plan: DetectorPlan) -> dict[str, Any]:
    """A network's settings with every `planned` replaced by what the plan says.

    Raises UsageError where anchors are planned for another finest stride than the one given.
    """
    filled: dict[str, Any] = {
        name: planned_settings(value, plan) if name in MEMBERS else value
        for name, value in settings.items()
    }
    if filled.get("finest_stride") == PLANNED:
        filled["finest_stride"] = plan.finest_stride if filled["backbone"] == "base" else 2
    if filled.get("anchors") == PLANNED:
        stride = filled["finest_stride"]
        if stride not in plan.anchors:
            raise UsageError(
                f"anchors are planned for a finest stride of {' or '.join(map(str, plan.anchors))},"
                f" got {stride}; leave finest_stride=planned, or give anchors too"
            )
        filled["anchors"] = [[list(shape) for shape in level] for level in plan.anchors[stride]]
    if filled.get("anchors") == POINTS:
        filled["anchors"] = point_anchors(filled["finest_stride"])
    if filled.get("mask_bins") == PLANNED:
        filled["mask_bins"] = plan.mask_bins
    if "proposal_rule" in filled:
        rule = dict(filled["proposal_rule"])
        if rule.get("nwd_constant_px") == PLANNED:
            rule["nwd_constant_px"] = plan.mean_box_px
        if rule.get("assigner") == PLANNED:
            rule["assigner"] = "centre" if _one_a_cell(filled["anchors"]) else "iou"
        filled["proposal_rule"] = rule
    return filled


def _one_a_cell(levels: Sequence[Sequence[Sequence[float]]]) -> bool:
    return all(sum(int(density) ** 2 for *_, density in level) == 1 for level in levels)
