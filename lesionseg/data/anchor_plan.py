"""Anchors, strides and mask size for a detector, fitted on the boxes of all training lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import UsageError

PLANNED = "planned"
NUM_LEVELS = 4
NARROW_PX = 4  # boxes at most so wide are the hard ones
WANTED_IOU = 0.5
WANTED_NARROW, WANTED_ALL = 0.91, 0.975  # shares of boxes that must have an anchor of that IoU
MOST_PER_CELL = 80.0  # anchors for each cell of the finest level
SCALES_PER_OCTAVE = 4
RATIOS = (1 / 3, 1 / 2, 1 / 1.41, 1.0, 1.41, 2.0, 3.0)  # height / width
DENSITIES = (1, 2, 4)
CELLS_PER_ANCHOR = 6.0  # an anchor stands on the finest level whose stride is a sixth of it
TRIES = 50_000  # places tried, shared out by how many boxes are of a size
LEAST_TRIES = 16
FIXED_COST = 1.0  # of an anchor, in cells: between two that cover as much, the cheaper wins
FINE_PX = 2.0  # 5th percentile of box sides at or below which a finest stride of 1 is asked for
MASK_CELLS = (14, 20, 28)
WINDOWS_PX = (64, 96, 128, 160, 192)  # sides of a training window; a step's cost grows with them
WHOLE_PERCENTILE = 95  # of outlines must fit into a window with WINDOW_MARGIN_PX on either side
WINDOW_MARGIN_PX = 8
REPORTED_IOUS = (0.3, 0.5, 0.7)

Level = tuple[tuple[float, float, int], ...]  # width px, height px, density
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

    buckets: names of the size buckets; bucket_of: (M,) that of each piece's lesion. None is left
    out, each is tried at random places within a pixel, and on whole pixels.
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


def fit_anchors(
    sides: NDArray[np.float64], finest_stride: int, rng: np.random.Generator
) -> tuple[Level, ...]:
    """Few anchors that many boxes (M, 2) overlap well, level by level, finest first.

    Greedy: again and again the anchor that gives most further boxes an IoU of WANTED_IOU for its
    cost in cells, until the shares wanted are reached or MOST_PER_CELL is spent; then those without
    which the shares are reached too, or where they are not, which add nothing, are dropped, the
    dearest first. The shares are wanted twice: of boxes at
    random places within a pixel, and of boxes on whole pixels, as outlines in masks lie, which
    anchors half a pixel apart may miss every time. Every level has at least a square one.
    """
    tries = _tries(sides, rng)
    candidates = _candidates(finest_stride, float(sides.max()))
    covers = np.stack(
        [
            _iou(tries.sides, tries.corners, (w, h), finest_stride * 2**level / density)
            >= WANTED_IOU
            for level, (w, h, density) in candidates
        ]
    )
    costs = np.array([density**2 / 4.0**level for level, (_, _, density) in candidates])
    chosen = [_square(level, finest_stride, candidates) for level in range(NUM_LEVELS)]
    times = covers[chosen].sum(axis=0)
    while not tries.suffice(times > 0):
        left = times == 0
        affordable = costs <= MOST_PER_CELL - costs[chosen].sum()
        gain = (covers[:, left] @ tries.weight[left]) * affordable
        best = int(np.argmax(gain / (costs + FIXED_COST)))
        if gain[best] <= 0:
            break
        chosen.append(best)
        times = times + covers[best]
    enough = tries.suffice(times > 0)
    for place in sorted(chosen[NUM_LEVELS:], key=lambda place: -costs[place]):
        fewer = times - covers[place]
        if tries.suffice(fewer > 0) if enough else not np.any((times > 0) & (fewer == 0)):
            chosen.remove(place)
            times = fewer
    levels: list[list[tuple[float, float, int]]] = [[] for _ in range(NUM_LEVELS)]
    for place in chosen:
        level, shape = candidates[place]
        levels[level].append(shape)
    return tuple(tuple(sorted(level, key=lambda s: s[0] * s[1])) for level in levels)


@dataclass(frozen=True)
class _Tries:
    """Boxes at places. sides, corners: (T, 2) px. weight: (T,) boxes that each stands for.
    whole: (T,) on whole pixels."""

    sides: NDArray[np.float64]
    corners: NDArray[np.float64]
    weight: NDArray[np.float32]
    whole: NDArray[np.bool_]

    def suffice(self, covered: NDArray[np.bool_]) -> bool:
        """Whether the shares wanted are reached, on whole pixels and elsewhere."""
        narrow = self.sides.max(axis=1) <= NARROW_PX
        return all(
            float(self.weight[covered & asked].sum()) >= share * float(self.weight[asked].sum())
            for where in (self.whole, ~self.whole)
            for share, asked in ((WANTED_NARROW, where & narrow), (WANTED_ALL, where))
        )


def _tries(sides: NDArray[np.float64], rng: np.random.Generator) -> _Tries:
    """Every size of box on whole pixels and elsewhere, frequent ones often, rare ones LEAST_TRIES
    times each way while there are few sizes."""
    sizes, counts = np.unique(sides, axis=0, return_counts=True)
    repeats = np.ceil(counts / counts.sum() * TRIES / 2).astype(int)
    repeats = np.maximum(repeats, min(LEAST_TRIES, TRIES // (2 * len(sizes))))
    half = np.repeat(sizes, repeats, axis=0)
    weight = np.repeat(counts / repeats, repeats).astype(np.float32)
    corners = random_corners(len(half), rng)
    return _Tries(
        sides=np.concatenate([half, half]),
        corners=np.concatenate([corners, np.floor(random_corners(len(half), rng))]),
        weight=np.concatenate([weight, weight]),
        whole=np.arange(2 * len(half)) >= len(half),
    )


def best_iou(
    sides: NDArray[np.float64],
    levels: Sequence[Sequence[Sequence[float]]],
    finest_stride: int,
    corners: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Highest IoU of each box with any anchor: (M,). sides, corners: (M, 2) px, along W and H.

    The grid of anchors goes on beyond the image, as it does for a lesion away from its border.
    """
    best = np.zeros(len(sides))
    for place, level in enumerate(levels):
        for width, height, density in level:
            step = finest_stride * 2**place / density
            best = np.maximum(best, _iou(sides, corners, (width, height), step))
    return best


def _iou(
    sides: NDArray[np.float64],
    corners: NDArray[np.float64],
    anchor: tuple[float, float],
    step: float,
) -> NDArray[np.float64]:
    """IoU of boxes with the nearest anchor of one shape, centres at (i + 1/2) * step."""
    centre = corners + sides / 2
    offset = centre - (np.floor(centre / step) + 0.5) * step
    shape = np.asarray(anchor, np.float64)
    shared = np.minimum(sides, shape)
    overlap = np.clip(np.minimum(shared, (sides + shape) / 2 - np.abs(offset)), 0, None)
    common = overlap.prod(axis=1)
    return common / (sides.prod(axis=1) + shape.prod() - common)


def _candidates(finest_stride: int, largest: float) -> list[tuple[int, tuple[float, float, int]]]:
    """(level, (width, height, density)) of everything that may be chosen."""
    octaves = np.log2(max(largest, _middle(NUM_LEVELS - 1, finest_stride)))
    sizes = 2.0 ** (np.arange(int(octaves * SCALES_PER_OCTAVE) + 1) / SCALES_PER_OCTAVE)
    found = []
    for size in sizes:
        wanted = np.log2(size / (CELLS_PER_ANCHOR * finest_stride))
        level = int(np.clip(np.ceil(wanted), 0, NUM_LEVELS - 1))
        for density in DENSITIES:
            step = finest_stride * 2**level / density
            no_coarser = level == NUM_LEVELS - 1 and density == 1
            if step > max(size, finest_stride) or (step < size / 5 and not no_coarser):
                continue
            for ratio in RATIOS:
                width, height = float(size / np.sqrt(ratio)), float(size * np.sqrt(ratio))
                found.append((level, (round(width, 2), round(height, 2), density)))
    return found


def _middle(level: int, finest_stride: int) -> float:
    """Side in px of the anchors in the middle of what a level is for."""
    return 4.0 * finest_stride * 2**level


def _square(
    level: int, finest_stride: int, candidates: list[tuple[int, tuple[float, float, int]]]
) -> int:
    """Place of the square anchor nearest to the middle of what a level is for."""
    middle = _middle(level, finest_stride)
    fits = [
        (abs(np.log(w / middle)), place)
        for place, (at, (w, h, density)) in enumerate(candidates)
        if at == level and w == h and density == 1
    ]
    return min(fits)[1]


def random_corners(num: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Upper left corners of boxes at any place within a pixel: (num, 2) px."""
    return rng.uniform(0, 512, (num, 2))


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


def planned_settings(settings: Mapping[str, Any], plan: DetectorPlan) -> dict[str, Any]:
    """A network's settings with every `planned` replaced by what the plan says.

    Raises UsageError where anchors are planned for another finest stride than the one given.
    """
    filled = dict(settings)
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
    if filled.get("mask_bins") == PLANNED:
        filled["mask_bins"] = plan.mask_bins
    if "proposal_rule" in filled:
        rule = dict(filled["proposal_rule"])
        if rule.get("nwd_constant_px") == PLANNED:
            rule["nwd_constant_px"] = plan.mean_box_px
        filled["proposal_rule"] = rule
    return filled
