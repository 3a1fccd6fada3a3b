"""Link what a detector found slice by slice into 3D lesions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lesionseg.models.interface import Detections
from lesionseg.ops.masks import paste_pixels
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
    it. Pieces of neighbouring slices may be one lesion when they share at least `min_overlap` of
    the smaller piece's pixels. A piece goes on in one piece of the next slice at most, that of the
    highest IoU, so that lesions beside one another are not chained together. A piece that does not
    go on may do so in the slice after; the missed slice is filled with the mean of its neighbours.
    A lesion's score is the best of its pieces'. Returns arrays in the case's own axis order; ids
    are 1.. by falling score.
    """
    probability = np.zeros((len(detections), *plane), dtype=np.float32)
    pieces = np.zeros((len(detections), *plane), dtype=np.int32)
    num = 0
    for index, found in enumerate(detections):
        _paint(found, probability[index], pieces[index], num)
        num += len(found.scores)
    scores = np.concatenate([np.zeros(0), *(found.scores.numpy() for found in detections)])
    links = _links(pieces, num, min_overlap)
    lesion_of = _joined(links, num)
    for bridge in links:
        if bridge.gap == BRIDGE:
            _fill_missed_slice(probability, pieces, bridge)
    return _lesion_map(probability, pieces, lesion_of, scores, affine, slab_axis)


def _paint(
    found: Detections,
    probability: NDArray[np.float32],
    pieces: NDArray[np.int32],
    num_before: int,
) -> None:
    """Draw one slice's masks. Where several cover a pixel, the best-scored has it.

    A pixel's probability is that of the detection that owns it: a poor detection that covers a good
    one must not make it larger. pieces: number of each pixel's detection, from num_before + 1 on.
    """
    pasted = paste_pixels(found.masks, found.boxes, probability.shape)
    likely, owner = probability.reshape(-1), pieces.reshape(-1)  # views
    np.maximum.at(likely, pasted.pixel, pasted.value)
    peak = np.zeros(len(found.scores), np.float32)
    np.maximum.at(peak, pasted.box, pasted.value)
    # a faint mask keeps its most probable pixels, so that its lesion does not vanish
    owned = np.flatnonzero(pasted.value >= np.minimum(np.float32(SUPPORT), peak)[pasted.box])
    pixel, place = np.unique(pasted.pixel[owned], return_index=True)  # the first is the best-scored
    likely[pixel] = pasted.value[owned][place]
    owner[pixel] = num_before + 1 + pasted.box[owned][place]


class _Links(NamedTuple):
    """Pieces that are one lesion, `gap` slices apart.

    below, above: (L,) numbers of pieces, from 1. voxel, link: (V,) flat places of the voxels of
    pieces below over which the one above lies too, and which of the L it is.
    """

    gap: int
    below: NDArray[np.int64]
    above: NDArray[np.int64]
    voxel: NDArray[np.int64]
    link: NDArray[np.int64]


def _links(pieces: NDArray[np.int32], num: int, min_overlap: float) -> list[_Links]:
    """The links over each gap, shortest first: each piece has one at most on either side."""
    size = np.bincount(pieces.ravel(), minlength=num + 1)
    goes_on, continues = np.zeros(num + 1, bool), np.zeros(num + 1, bool)
    made = []
    for gap in range(1, min(BRIDGE, len(pieces) - 1) + 1):
        low, high = pieces[:-gap].reshape(-1), pieces[gap:].reshape(-1)
        voxel = np.flatnonzero((low > 0) & (high > 0))
        pairs, pair_of, shared = np.unique(
            low[voxel].astype(np.int64) * (num + 1) + high[voxel],
            return_inverse=True,
            return_counts=True,
        )
        below, above = np.divmod(pairs, num + 1)
        smaller = np.minimum(size[below], size[above])
        iou = shared / (size[below] + size[above] - shared)
        chosen = []
        for pair in np.lexsort((above, below, -iou)).tolist():
            a, b = below[pair], above[pair]
            if shared[pair] >= min_overlap * smaller[pair] and not (goes_on[a] or continues[b]):
                goes_on[a] = continues[b] = True
                chosen.append(pair)
        number = np.full(len(pairs), -1)
        number[chosen] = np.arange(len(chosen))
        link = number[pair_of]
        made.append(_Links(gap, below[chosen], above[chosen], voxel[link >= 0], link[link >= 0]))
    return made


def _joined(links: Sequence[_Links], num: int) -> NDArray[np.int64]:
    """Lesion, from 1, of every piece: (num + 1,), 0 for no piece."""
    below = np.concatenate([np.zeros(0, np.int64), *(one.below for one in links)])
    above = np.concatenate([np.zeros(0, np.int64), *(one.above for one in links)])
    graph = coo_array((np.ones(len(below), bool), (below, above)), shape=(num + 1, num + 1))
    # components are numbered by their first member: 0 is number 0, which no link joins
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _fill_missed_slice(
    probability: NDArray[np.float32], pieces: NDArray[np.int32], bridge: _Links
) -> None:
    """Draw the missed slice between linked pieces where no other lesion is."""
    likely, owner = probability.reshape(-1), pieces.reshape(-1)  # views
    size = pieces[0].size
    free = owner[bridge.voxel + size] == 0
    voxel = bridge.voxel[free]
    likely[voxel + size] = (likely[voxel] + likely[voxel + 2 * size]) / 2
    owner[voxel + size] = bridge.below[bridge.link[free]]


def _lesion_map(
    probability: NDArray[np.float32],
    pieces: NDArray[np.int32],
    lesion_of: NDArray[np.int64],
    scores: NDArray[np.float64],
    affine: Affine,
    slab_axis: int,
) -> LesionMap:
    """The lesions that have voxels, numbered by falling score."""
    present = np.flatnonzero(np.bincount(pieces.ravel(), minlength=len(lesion_of)))
    present = present[present > 0]
    best = np.full(len(lesion_of), -np.inf)
    np.maximum.at(best, lesion_of[present], scores[present - 1])
    order = np.unique(lesion_of[present])
    order = order[np.argsort(-best[order], kind="stable")]
    new_id = np.zeros(len(lesion_of), dtype=np.int32)
    new_id[order] = np.arange(1, len(order) + 1)
    return LesionMap(
        probability=np.moveaxis(probability, 0, slab_axis),
        lesion_ids=np.moveaxis(new_id[lesion_of][pieces], 0, slab_axis),
        scores={number: float(best[lesion]) for number, lesion in enumerate(order, 1)},
        affine=affine,
        conditional=True,
    )
