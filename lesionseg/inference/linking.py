"""Link what a detector found slice by slice into 3D lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lesionseg.models.interface import Detections
from lesionseg.ops.masks import paste_masks
from lesionseg.structures import Affine, LesionMap

SUPPORT = 0.3  # a voxel belongs to a detection whose mask is at least this sure of it
BRIDGE = 2  # slices: neighbours, or neighbours over one missed slice


def link_slices(
    detections: Sequence[Detections],
    plane: tuple[int, int],
    *,
    affine: Affine,
    slab_axis: int = 2,
    min_overlap: float = 0.5,
) -> LesionMap:
    """One LesionMap from the detections of every slice, on the CPU, in the order of the slab axis.

    plane: (H, W) of a slice. Within a slice a pixel goes to the best-scored detection that covers
    it. Pieces of neighbouring slices, or of slices with one between them, are one lesion when they
    share at least `min_overlap` of the smaller piece's pixels; a missed slice between them is
    filled with the mean of its neighbours. A lesion's score is the best of its pieces'.
    Returns arrays in the case's own axis order; ids are 1.. by falling score.
    """
    depth = len(detections)
    probability = np.zeros((depth, *plane), dtype=np.float32)
    pieces = np.zeros((depth, *plane), dtype=np.int32)
    scores: list[float] = []
    for index, found in enumerate(detections):
        _paint(found, probability[index], pieces[index], scores)
    piece_scores = np.array(scores, dtype=np.float64)
    lesion_of, links = _linked(pieces, len(scores), min_overlap)
    _fill_missed_slices(probability, pieces, lesion_of, links)

    num_lesions = int(lesion_of.max()) + 1 if len(lesion_of) else 0
    best = np.zeros(num_lesions)
    seen = np.zeros(num_lesions, dtype=bool)
    present = np.unique(pieces)
    present = present[present > 0] - 1
    np.maximum.at(best, lesion_of[present], piece_scores[present])
    seen[lesion_of[present]] = True
    order = np.flatnonzero(seen)
    order = order[np.argsort(-best[order], kind="stable")]
    new_id = np.zeros(num_lesions + 1, dtype=np.int32)
    new_id[order + 1] = np.arange(1, len(order) + 1)
    to_lesion = np.concatenate([[0], lesion_of + 1]).astype(np.int64)
    ids = new_id[to_lesion[pieces]]
    return LesionMap(
        probability=np.moveaxis(probability, 0, slab_axis),
        lesion_ids=np.moveaxis(ids, 0, slab_axis),
        scores={int(new_id[k + 1]): float(best[k]) for k in order},
        affine=affine,
        conditional=True,
    )


def _paint(
    found: Detections,
    probability: NDArray[np.float32],
    pieces: NDArray[np.int32],
    scores: list[float],
) -> None:
    """Draw one slice's masks, worst first: where several cover a pixel, the best-scored has it.

    A pixel's probability is that of the detection that owns it: a poor detection that covers a good
    one must not make it larger.
    """
    first = len(scores) + 1
    scores.extend(found.scores.tolist())
    windows = paste_masks(found.masks, found.boxes, probability.shape)
    for i in range(len(windows) - 1, -1, -1):
        rows, columns, mask = windows[i]
        if mask.size == 0:
            continue
        # a faint mask keeps its most probable pixels, so that its lesion does not vanish
        owned = mask >= min(SUPPORT, float(mask.max()))
        here, owners = probability[rows, columns], pieces[rows, columns]
        np.maximum(here, mask, out=here, where=owners == 0)
        here[owned] = mask[owned]
        owners[owned] = first + i


def _linked(
    pieces: NDArray[np.int32], num: int, min_overlap: float
) -> tuple[NDArray[np.int64], list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]]:
    """Lesion (0..) of every piece, and the pairs linked over one missed slice by lower slice."""
    size = np.bincount(pieces.ravel(), minlength=num + 1)
    edges_a, edges_b, bridges = [], [], []
    for gap in range(1, BRIDGE + 1):
        for index in range(len(pieces) - gap):
            low, high = pieces[index].ravel(), pieces[index + gap].ravel()
            both = np.flatnonzero((low > 0) & (high > 0))
            if len(both) == 0:
                continue
            pairs, shared = np.unique(
                low[both].astype(np.int64) * (num + 1) + high[both], return_counts=True
            )
            a, b = np.divmod(pairs, num + 1)
            linked = shared >= min_overlap * np.minimum(size[a], size[b])
            edges_a.append(a[linked] - 1)
            edges_b.append(b[linked] - 1)
            if gap == BRIDGE and linked.any():
                bridges.append((index, a[linked] - 1, b[linked] - 1))
    if num == 0:
        return np.zeros(0, dtype=np.int64), []
    a = np.concatenate(edges_a) if edges_a else np.zeros(0, dtype=np.int64)
    b = np.concatenate(edges_b) if edges_b else np.zeros(0, dtype=np.int64)
    graph = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(num, num))
    return connected_components(graph, directed=False)[1].astype(np.int64), bridges


def _fill_missed_slices(
    probability: NDArray[np.float32],
    pieces: NDArray[np.int32],
    lesion_of: NDArray[np.int64],
    bridges: Sequence[tuple[int, NDArray[np.int64], NDArray[np.int64]]],
) -> None:
    for index, below, above in bridges:
        middle = pieces[index + 1]
        there = set(lesion_of[np.unique(middle[middle > 0]) - 1].tolist())
        for a, b in zip(below, above):
            if lesion_of[a] in there:
                continue
            shared = (pieces[index] == a + 1) & (pieces[index + 2] == b + 1) & (middle == 0)
            mean = (probability[index] + probability[index + 2]) / 2
            probability[index + 1][shared] = mean[shared]
            middle[shared] = a + 1
