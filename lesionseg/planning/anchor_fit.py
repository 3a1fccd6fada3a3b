"""Few anchors that overlap many boxes well, wherever these lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_LEVELS = 4
NARROW_PX = 4  # boxes at most so wide count as small
WANTED_IOU = 0.5
WANTED_NARROW, WANTED_ALL = 0.91, 0.975  # shares of boxes that must have an anchor of that IoU
MOST_PER_CELL = 80.0  # anchors for each cell of the finest level
SCALES_PER_OCTAVE = 4
RATIOS = (1 / 3, 1 / 2, 1 / 1.41, 1.0, 1.41, 2.0, 3.0)  # height / width
DENSITIES = (1, 2, 4)
CELLS_PER_ANCHOR = 6.0  # an anchor stands on the finest level whose stride is a sixth of it
TRIES = 50_000  # places tried, shared out by how many boxes are of a size
LEAST_TRIES = 16  # of a size either way, while there are few sizes
FIXED_COST = 1.0  # of an anchor, in cells: of two that cover as much, the cheaper one is taken

Level = tuple[tuple[float, float, int], ...]  # width px, height px, density


def fit_anchors(
    sides: NDArray[np.float64], finest_stride: int, rng: np.random.Generator
) -> tuple[Level, ...]:
    """Few anchors that many boxes (M, 2) overlap well, level by level, finest first.

    Greedy: add the anchor that gives the most further boxes an IoU of WANTED_IOU for its cost in
    cells, until the coverage targets are reached or MOST_PER_CELL is spent; then drop redundant
    anchors, most expensive first, while the coverage targets hold (or where they were not reached,
    while coverage stays the same). The targets must hold twice: for boxes at random places within a
    pixel, and for boxes on whole pixels, as outlines in masks lie, which anchors half a pixel apart
    may miss every time. Every level has at least one square anchor.
    """
    tries = _tries(sides, rng)
    candidates = _candidates(finest_stride, float(sides.max()))
    covers = np.stack(
        [
            _covered(tries, (w, h), finest_stride * 2**level / density)
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
    whole: (T,) on whole pixels. sizes: (S, 2) px, each once; size: (T,) which of them."""

    sizes: NDArray[np.float64]
    size: NDArray[np.int64]
    sides: NDArray[np.float64]
    corners: NDArray[np.float64]
    weight: NDArray[np.float32]
    whole: NDArray[np.bool_]

    def suffice(self, covered: NDArray[np.bool_]) -> bool:
        """Whether the coverage targets are reached, on whole pixels and elsewhere."""
        narrow = self.sides.max(axis=1) <= NARROW_PX
        return all(
            float(self.weight[covered & asked].sum()) >= share * float(self.weight[asked].sum())
            for where in (self.whole, ~self.whole)
            for share, asked in ((WANTED_NARROW, where & narrow), (WANTED_ALL, where))
        )


def _tries(sides: NDArray[np.float64], rng: np.random.Generator) -> _Tries:
    """Every size of box on whole pixels and elsewhere: frequent sizes often, rare ones at least
    LEAST_TRIES times each way while there are few sizes."""
    sizes, counts = np.unique(sides, axis=0, return_counts=True)
    repeats = np.ceil(counts / counts.sum() * TRIES / 2).astype(int)
    repeats = np.maximum(repeats, min(LEAST_TRIES, TRIES // (2 * len(sizes))))
    weight = np.repeat(counts / repeats, repeats).astype(np.float32)
    num = int(repeats.sum())
    corners = random_corners(num, rng)
    size = np.tile(np.repeat(np.arange(len(sizes)), repeats), 2)
    return _Tries(
        sizes=sizes,
        size=size,
        sides=np.asfortranarray(sizes[size]),  # one axis is read at a time
        corners=np.asfortranarray(np.concatenate([corners, np.floor(random_corners(num, rng))])),
        weight=np.concatenate([weight, weight]),
        whole=np.arange(2 * num) >= num,
    )


def _covered(tries: _Tries, anchor: tuple[float, float], step: float) -> NDArray[np.bool_]:
    """(T,) whether an anchor of one shape reaches WANTED_IOU; looked at where its size may."""
    on_top = step / 2 - tries.sizes / 2  # centred on an anchor
    may = (_iou(tries.sizes, on_top, anchor, step) >= WANTED_IOU - 1e-9)[tries.size]
    covered: NDArray[np.bool_] = may.copy()
    covered[may] = _iou(tries.sides[may], tries.corners[may], anchor, step) >= WANTED_IOU
    return covered


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
    width, height = anchor
    common: NDArray[np.float64] = np.ones(len(sides))
    for axis, length in enumerate((width, height)):  # a product over an axis of two is slow
        side = sides[:, axis]
        centre = corners[:, axis] + side / 2
        offset = centre - (np.floor(centre / step) + 0.5) * step
        overlap = np.minimum(np.minimum(side, length), (side + length) / 2 - np.abs(offset))
        common *= np.maximum(overlap, 0)
    return common / (sides[:, 0] * sides[:, 1] + width * height - common)


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
    """Side in px of the anchors in the middle of a level's range."""
    return 4.0 * finest_stride * 2**level


def _square(
    level: int, finest_stride: int, candidates: list[tuple[int, tuple[float, float, int]]]
) -> int:
    """Index of the square anchor nearest to the middle of a level's range."""
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
