"""Lesions of regions that contain one another: which holds which, and with which voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.components import label_components
from lesionseg.inference.claims import LOST, Claims
from lesionseg.lesion_classes import LesionClasses

TOUCHING = np.ones((3, 3, 3), bool)


def region_layers(
    claims: Sequence[Claims], classes: LesionClasses
) -> tuple[list[NDArray[np.int32]], dict[int, float], frozenset[int]]:
    """The lesions of each region, whole, (X, Y, Z) with ids of their own; score by id; and which
    ids are reported.

    A lesion of an inner region counts to the one of the outer region with which it shares most
    voxels, else to one that it touches, else it is one of that region too. Two of a detector's
    lesions that touch stay two, those of a semantic model are components. What is not reported
    comes after, in the room that is left: it changes nothing of what is reported.
    """
    layers = [np.zeros(one.ids.shape, np.int32) for one in claims]
    scores: dict[int, float] = {}
    for number in range(len(claims), 0, -1):
        inner = [layers[n] for n, around in enumerate(classes.inside) if around == number]
        layers[number - 1] = _whole(claims[number - 1].reported, inner, scores)
    reported = frozenset(scores)
    for number, one in enumerate(claims, 1):  # an outer region before what lies inside it
        voxels = _voxels_of(one.ids)
        others = [lesion for lesion in voxels if one.scores[lesion] < one.threshold]
        for lesion in sorted(others, key=lambda i: -one.scores[i]):
            _place(voxels[lesion], number, one.scores[lesion], classes, layers, scores)
    return layers, scores, reported


def _whole(
    own: Claims, inner: Sequence[NDArray[np.int32]], scores: dict[int, float]
) -> NDArray[np.int32]:
    """The lesions of a region with what lies inside them, numbered on in `scores`."""
    if own.strength is None:
        ids = _holding(own.ids, inner)
        same = (own.ids > 0) & (ids == own.ids)
    else:
        ids = label_components(np.any([own.ids > 0, *(layer > 0 for layer in inner)], axis=0))
        same = own.ids > 0
    best = np.zeros(int(ids.max(initial=0)) + 1)
    score = np.zeros(int(own.ids.max(initial=0)) + 1)
    score[list(own.scores)] = list(own.scores.values())
    np.maximum.at(best, ids[same], score[own.ids[same]])
    new = np.zeros(len(best), np.int32)
    present = np.unique(ids[ids > 0])
    new[present] = len(scores) + 1 + np.arange(len(present))
    scores |= dict(zip(new[present].tolist(), best[present].tolist()))
    return new[ids]


def _holding(own: NDArray[np.int32], inner: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """The ids of a region's lesions, each with the inner lesions that it holds; new ones for those
    that none holds."""
    ids = np.pad(own, 1)
    for layer in inner:
        for lesion, box in enumerate(ndimage.find_objects(layer), 1):
            if box is None:
                continue
            around = ids[tuple(slice(side.start, side.stop + 2) for side in box)]
            part = np.pad(layer[box] == lesion, 1)
            holders = own[box][part[1:-1, 1:-1, 1:-1]]
            if not holders.any():
                holders = around[ndimage.binary_dilation(part, TOUCHING)]
            counts = np.bincount(holders[holders > 0])
            around[part] = counts.argmax() if len(counts) else ids.max() + 1
    return ids[1:-1, 1:-1, 1:-1]


def _place(
    voxels: NDArray[np.intp],
    number: int,
    score: float,
    classes: LesionClasses,
    layers: Sequence[NDArray[np.int32]],
    scores: dict[int, float],
) -> NDArray[np.intp]:
    """Draw a lesion of class `number` into what no lesion of its class has, inside one of the
    region around it, or in a new one; not where more than LOST of it is taken. Returns its voxels.
    """
    free = voxels[layers[number - 1].ravel()[voxels] == 0]
    parent = classes.inside[number - 1]
    if parent and len(free):
        holders = layers[parent - 1].ravel()[free]
        counts = np.bincount(holders, minlength=2)
        best = 1 + int(counts[1:].argmax())
        held_by = best if counts[best] >= counts[0] else 0  # 0: mostly outside of any
        free = free[holders == held_by]
        if held_by == 0 and len(free) >= (1 - LOST) * len(voxels):
            free = _place(free, parent, score, classes, layers, scores)
    if not len(free) or len(free) < (1 - LOST) * len(voxels):
        return free[:0]
    scores[len(scores) + 1] = score
    layers[number - 1].ravel()[free] = len(scores)
    return free


def _voxels_of(ids: NDArray[np.int32]) -> dict[int, NDArray[np.intp]]:
    """Flat places of each lesion's voxels, by id."""
    places = np.flatnonzero(ids)
    places = places[np.argsort(ids.ravel()[places], kind="stable")]
    lesions, starts = np.unique(ids.ravel()[places], return_index=True)
    return dict(zip(lesions.tolist(), np.split(places, starts[1:])))
