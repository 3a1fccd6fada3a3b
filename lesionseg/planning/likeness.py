"""Scans that are nearly the same, or mirror images: found on pictures of a few voxels a side."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lesionseg import geometry
from lesionseg.datasets.splits import PARTS, Splits
from lesionseg.errors import UsageError
from lesionseg.structures import Grid

ROUGH, FINE = 12, 16  # voxels a side
SCALE = 32  # of one standard deviation, in int8
ALIKE = 0.97  # correlation of what sets scans off from their cohort, at or above which they are one
ALIKE_FEW = 0.995  # of the scans themselves, where there are too few to know what is common
MIRRORED = 0.85  # of one scan and the other flipped
MIRROR_MARGIN = 0.1  # by which that is more than of the two as they are
FEW = 5  # scans from which on a cohort has something in common
CHUNK = 1024

Box = tuple[tuple[int, ...], tuple[int, ...]]


def refuse_look_alikes(splits: Splits, thumbnails: Mapping[str, NDArray[np.int8]]) -> None:
    """Raise UsageError where two parts hold nearly the same scan, or one and its mirror image.

    thumbnails: of each case, (FINE,) * 3 int8. Scans of one patient lie in one part anyway.
    """
    part_of = {case: part for part in PARTS for case in getattr(splits, part)}
    cases = [case for case in part_of if case in thumbnails]
    if len(cases) < 2:
        return
    alike, mirrored = similar_groups([thumbnails[case] for case in cases])
    for groups, words in ((alike, "looks like"), (mirrored, "is a mirror image of")):
        for members in groups:
            first, *others = (cases[n] for n in members)
            for other in others:
                if part_of[other] != part_of[first]:
                    raise UsageError(
                        f"case {other} in {part_of[other]} {words} case {first} in "
                        f"{part_of[first]}; lesionseg check shows both. Remove one, have "
                        "data.patient give both one patient, or set data.allow_look_alikes=true"
                    )


def as_text(thumbnail: NDArray[np.int8]) -> str:
    """A thumbnail as text for JSON. Inverse: from_text."""
    return base64.b64encode(thumbnail.tobytes()).decode()


def from_text(text: str, size: int = FINE) -> NDArray[np.int8]:
    """Inverse of as_text, of (size,) * 3 voxels. Raises ValueError for anything else."""
    return np.frombuffer(base64.b64decode(text), np.int8).reshape((size,) * 3)


def thumbnail(
    array: NDArray[Any], inside: NDArray[np.bool_], box: Box, size: int
) -> NDArray[np.int8]:
    """The head's box in size x size x size voxels: (size,) * 3 int8, 0 = mean and air."""
    every = [max(1, (b - a) // (2 * size)) for a, b in zip(*box)]
    window = tuple(slice(a, b, n) for a, b, n in zip(*box, every))
    values = np.nan_to_num(np.asarray(array[window], np.float32), posinf=0, neginf=0)
    within = inside[window].astype(np.float32)
    low, high = np.percentile(values[within > 0], (1, 99)) if within.any() else (0.0, 1.0)
    np.clip(values, low, high, out=values)
    grid = Grid(values.shape, np.eye(4))
    grid = geometry.rescaled_grid(grid, [n / size for n in values.shape])
    weight = geometry.resample_to(within, np.eye(4), grid, order=1)
    small = geometry.resample_to(values * within, np.eye(4), grid, order=1)
    covered = weight > 0.5
    if not covered.any():
        return np.zeros((size,) * 3, np.int8)
    small = small / np.maximum(weight, 1e-6)
    spread = float(small[covered].std())
    scores = (small - small[covered].mean()) / max(spread, 1e-6) * SCALE
    return np.where(covered, np.clip(np.rint(scores), -127, 127), 0).astype(np.int8)


def similar_groups(
    thumbnails: Sequence[NDArray[np.int8]],
) -> tuple[list[list[int]], list[list[int]]]:
    """Numbers of the scans that are alike, and of those that are mirror images, in groups."""
    rows = np.stack(thumbnails)
    enough = len(rows) >= FEW
    common = rows.mean(axis=0, dtype=np.float32) if enough else np.zeros(rows[0].shape, np.float32)
    limit = ALIKE if enough else ALIKE_FEW
    alike: list[NDArray[np.int64]] = []
    mirrored: list[NDArray[np.int64]] = []
    starts = range(0, len(rows), CHUNK)
    for first, second in ((a, b) for a in starts for b in starts if a <= b):
        one, other = rows[first : first + CHUNK], rows[second : second + CHUNK]
        close = unit_rows(one - common) @ unit_rows(other - common).T
        whole = unit_rows(one)
        straight, across = (whole @ unit_rows(o).T for o in (other, other[:, ::-1]))
        for pairs, found in (
            (alike, close >= limit),
            (mirrored, (across >= MIRRORED) & (across >= straight + MIRROR_MARGIN)),
        ):
            i, j = np.nonzero(found)
            pair = np.stack([i + first, j + second])
            pairs.append(pair[:, pair[0] < pair[1]])
    return _connected(alike, len(rows)), _connected(mirrored, len(rows))


def _connected(pairs: Sequence[NDArray[np.int64]], count: int) -> list[list[int]]:
    first, second = np.concatenate(pairs, axis=1)
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), (count, count))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, list[int]] = defaultdict(list)
    for n in sorted({*first.tolist(), *second.tolist()}):
        members[int(labels[n])].append(n)
    return list(members.values())


def unit_rows(thumbnails: Sequence[NDArray[Any]] | NDArray[Any]) -> NDArray[np.float32]:
    """Thumbnails as rows (N, voxels) of mean 0 and length 1, whose products are correlations."""
    rows = np.asarray(thumbnails, np.float32).reshape(len(thumbnails), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
