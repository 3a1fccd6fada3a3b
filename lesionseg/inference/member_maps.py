"""The maps that several models make of a scan as one: probabilities averaged, lesions matched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lesionseg.geometry import resample_to
from lesionseg.structures import Grid, LesionMap

SAME = 0.2  # IoU from which on lesions of two members are one, that of suppression in a slice


def joined_maps(members: Iterable[Sequence[LesionMap]]) -> list[LesionMap]:
    """One map a class, on the grid of the first member's.

    members: the maps of each member, one a class; taken one after the other, and only the first
    member's are kept whole. Those of another grid are resampled. Semantic models: the mean of the
    probabilities. Detectors: lesions are matched, see `_clusters`. A lesion's score is the sum of
    those of the members that found it by the number of all members (weighted boxes fusion, Solovyev
    et al. 2021, section 3); a voxel's probability is the mean over the members that found the
    lesion. Maps of one member come back as they are.
    """
    turns = iter(members)
    like = list(next(turns))
    totals = [one.probability for one in like]
    found = [[_found(one)] for one in like]
    num = 1
    for maps in turns:
        num += 1
        for place, given in enumerate(maps):
            one = _on_grid(given, like[place])
            if one.conditional:
                found[place].append(_found(one))
            else:
                totals[place] = totals[place] + one.probability
    if num == 1:
        return like
    return [
        _joined(mine, one)
        if one.conditional
        else dataclasses.replace(one, probability=(total / num).astype(np.float32))
        for one, total, mine in zip(like, totals, found)
    ]


class _Found(NamedTuple):
    """What one detector sees of one class.

    voxel: (V,) flat places that it gives any probability. probability: (V,) of its mask there.
    lesion: (V,) id, 0 where the mask is too faint for one. scores: by id.
    """

    voxel: NDArray[np.int64]
    probability: NDArray[np.float32]
    lesion: NDArray[np.int32]
    scores: Mapping[int, float]


def _found(one: LesionMap) -> _Found:
    seen, ids = one.probability.ravel(), one.lesion_ids.ravel()
    voxel = np.flatnonzero((seen > 0) | (ids > 0)) if one.conditional else np.zeros(0, np.int64)
    return _Found(voxel, seen[voxel], ids[voxel], one.scores)


def _on_grid(one: LesionMap, like: LesionMap) -> LesionMap:
    """The map on the grid of another; ids by the nearest voxel."""
    x, y, z = like.probability.shape
    if one.probability.shape == (x, y, z) and np.array_equal(one.affine, like.affine):
        return one
    grid = Grid((x, y, z), like.affine)
    probability = resample_to(one.probability, one.affine, grid, order=1, fill=0.0)
    ids = like.lesion_ids
    if one.conditional:
        ids = resample_to(one.lesion_ids, one.affine, grid, order=0, fill=0).astype(np.int32)
    return dataclasses.replace(
        one, probability=probability.astype(np.float32), lesion_ids=ids, affine=like.affine
    )


def _joined(members: Sequence[_Found], like: LesionMap) -> LesionMap:
    """The map of the clusters. A voxel that several claim belongs to the one of which it is more
    probably a part, score times mask; where no lesion is, the faint masks are averaged."""
    cluster_of, scores = _clusters(members)
    holds = np.zeros((len(members), len(scores)), bool)
    for mine, own in zip(cluster_of, holds):
        own[mine[mine > 0]] = True
    size = holds.sum(axis=0)
    ids = np.zeros(like.probability.size, np.int32)
    voxel, owner = _owners(members, cluster_of, scores / np.maximum(size, 1))
    ids[voxel] = owner
    total, num = np.zeros(ids.size, np.float32), size[ids]
    for one, mine, own in zip(members, cluster_of, holds):
        here, claimed = ids[one.voxel], mine[one.lesion]
        counts = (here == 0) | (own[here] & ((claimed == 0) | (claimed == here)))
        total[one.voxel[counts]] += one.probability[counts]
        num[one.voxel[here == 0]] += 1
    shape = like.probability.shape
    left = np.unique(ids)
    return dataclasses.replace(
        like,
        probability=(total / np.maximum(num, 1)).astype(np.float32).reshape(shape),
        lesion_ids=ids.reshape(shape),
        scores={int(one): float(scores[one]) for one in left if one > 0},
    )


def _clusters(members: Sequence[_Found]) -> tuple[list[NDArray[np.int32]], NDArray[np.float64]]:
    """Which lesions of several members are one: for each member the cluster of each of its lesions,
    0 for none, and the scores of the clusters, which are numbered from 1 by falling score.

    The best lesion of all begins a cluster. Each next one joins the cluster whose first lesion it
    overlaps best, from an IoU of SAME on, where no other lesion of its member has; else it begins
    one.
    """
    near = _neighbours(members)
    lesions = [(m, int(i)) for m, one in enumerate(members) for i in np.unique(one.lesion) if i > 0]
    lesions.sort(key=lambda one: -members[one[0]].scores[one[1]])  # of equals the first member's
    clusters: list[list[tuple[int, int]]] = []
    begun: dict[tuple[int, int], int] = {}
    for lesion in lesions:
        options = [
            (iou, -begun[other])
            for other, iou in near.get(lesion, ())
            if other in begun and all(lesion[0] != m for m, _ in clusters[begun[other]])
        ]
        if options:
            clusters[-max(options)[1]].append(lesion)
        else:
            begun[lesion] = len(clusters)
            clusters.append([lesion])
    summed = [sum(members[m].scores[i] for m, i in own) / len(members) for own in clusters]
    cluster_of = [np.zeros(int(one.lesion.max(initial=0)) + 1, np.int32) for one in members]
    order = sorted(range(len(clusters)), key=lambda place: -summed[place])
    for number, place in enumerate(order, 1):
        for m, i in clusters[place]:
            cluster_of[m][i] = number
    return cluster_of, np.array([0.0, *(summed[place] for place in order)])


def _neighbours(
    members: Sequence[_Found],
) -> dict[tuple[int, int], list[tuple[tuple[int, int], float]]]:
    """By (member, lesion): the lesions of other members with an IoU of SAME or more, and it."""
    bodies = [(one.voxel[one.lesion > 0], one.lesion[one.lesion > 0]) for one in members]
    sizes = [np.bincount(ids) for _, ids in bodies]
    near: dict[tuple[int, int], list[tuple[tuple[int, int], float]]] = {}
    for a in range(len(members)):
        for b in range(a + 1, len(members)):
            (here, ids), (there, others) = bodies[a], bodies[b]
            _, mine, theirs = np.intersect1d(here, there, assume_unique=True, return_indices=True)
            num = len(sizes[b])
            pairs, shared = np.unique(
                ids[mine].astype(np.int64) * num + others[theirs], return_counts=True
            )
            for pair, both in zip(pairs.tolist(), shared.tolist()):
                i, j = divmod(pair, num)
                iou = both / (sizes[a][i] + sizes[b][j] - both)
                if iou >= SAME:
                    near.setdefault((a, i), []).append(((b, j), iou))
                    near.setdefault((b, j), []).append(((a, i), iou))
    return near


def _owners(
    members: Sequence[_Found],
    cluster_of: Sequence[NDArray[np.int32]],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The voxels of all lesions, each once, and the cluster that has it. weight: by cluster, of the
    sum of its members' masks."""
    voxel = np.concatenate([one.voxel for one in members])
    claimed = np.concatenate([mine[one.lesion] for one, mine in zip(members, cluster_of)])
    likely = np.concatenate([one.probability for one in members])
    inside = claimed > 0
    pairs, place = np.unique(
        voxel[inside] * len(weight) + claimed[inside].astype(np.int64), return_inverse=True
    )
    where, cluster = np.divmod(pairs, len(weight))
    strength = np.bincount(place, weights=likely[inside], minlength=len(pairs)) * weight[cluster]
    best = np.lexsort((cluster, -strength, where))
    kept, first = np.unique(where[best], return_index=True)
    return kept, cluster[best][first]
