"""The lesions of all classes in one volume: which class has a voxel that several claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.inference.lesion_maps import renumbered
from lesionseg.lesion_classes import LesionClasses
from lesionseg.lesion_kinds import LesionKinds

LOST = 0.5  # share of a lesion's voxels that better ones of other classes take: it is one of those


@dataclass(frozen=True, eq=False)
class Claims:
    """The lesions of one class, as if there were no other.

    ids: (X, Y, Z) int32. scores: by id. threshold: of the score, from which on a lesion is
    reported; those come before all others. strength: (X, Y, Z) float32 by which a voxel is claimed,
    of semantic models, whose lesions end where another class is more probable; None where a lesion
    claims all its voxels by its score.
    """

    ids: NDArray[np.int32]
    scores: Mapping[int, float]
    threshold: float = 0.0
    strength: NDArray[np.float32] | None = None

    def without(self, lost: set[int]) -> Claims:
        """The same, less some lesions."""
        kept = {lesion: score for lesion, score in self.scores.items() if lesion not in lost}
        present = np.zeros(int(self.ids.max(initial=0)) + 1, np.int32)
        present[list(kept)] = list(kept)
        return Claims(present[self.ids], kept, self.threshold, self.strength)

    @property
    def claimed(self) -> NDArray[np.float32]:
        """How strongly each voxel is claimed, 0 outside lesions."""
        size = int(self.ids.max(initial=0)) + 1
        score, reported = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for lesion, value in self.scores.items():
            score[lesion], reported[lesion] = value, value >= self.threshold
        own = score[self.ids] if self.strength is None else self.strength
        return np.where(self.ids > 0, own + reported[self.ids], 0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ScoredLesions:
    """Lesions of all classes in one volume. ids: (X, Y, Z) int32, 1.. by falling score. scores: by
    id. kinds: class of each, and which lies inside which."""

    ids: NDArray[np.int32]
    scores: Mapping[int, float]
    kinds: LesionKinds

    def reported(self, thresholds: Sequence[float]) -> ScoredLesions:
        """Those that reach the score threshold of their class, by class. No lesion lies inside
        another."""
        kept = [i for i, s in self.scores.items() if s >= thresholds[self.kinds.classes[i] - 1]]
        ids, scores = renumbered(self.ids, kept, self.scores)
        classes = np.array([0, *self.kinds.classes[kept]], np.int32)
        return ScoredLesions(ids, scores, LesionKinds(classes, np.zeros_like(classes)))


def join_classes(claims: Sequence[Claims], classes: LesionClasses) -> ScoredLesions:
    """One volume of lesions from those of each class.

    Of classes that exclude one another the strongest claim has a voxel; a lesion that loses half of
    its voxels to others is dropped, for it is one of them seen as another class. Regions are made
    to contain one another: a lesion of an inner region counts to the outer ones.
    """
    if len(claims) == 1:
        (only,) = claims
        number = np.zeros(len(only.scores) + 1, np.int32)
        number[1:] = 1
        return ScoredLesions(only.ids, only.scores, LesionKinds(number, np.zeros_like(number)))
    return _nested(claims, classes) if classes.regions else _competing(claims)


def _competing(claims: Sequence[Claims]) -> ScoredLesions:
    while True:
        owner = _strongest(claims)
        lost = [_losers(one.ids, owner == number) for number, one in enumerate(claims)]
        if not any(lost):
            break
        claims = [one.without(gone) for one, gone in zip(claims, lost)]
    ids, first = np.zeros(claims[0].ids.shape, np.int32), 0
    scores: dict[int, float] = {}
    number_of = [0]
    for number, one in enumerate(claims):
        has = owner == number
        ids[has] = one.ids[has] + first
        top = max(one.scores, default=0)
        scores |= {lesion + first: score for lesion, score in one.scores.items()}
        number_of += [number + 1] * top
        first += top
    present = set(np.unique(ids).tolist())
    order = sorted((i for i in scores if i in present), key=lambda i: -scores[i])
    of_lesion = np.array([0, *(number_of[lesion] for lesion in order)], np.int32)
    ids, ranked = renumbered(ids, order, scores)
    return ScoredLesions(ids, ranked, LesionKinds(of_lesion, np.zeros_like(of_lesion)))


def _strongest(claims: Sequence[Claims]) -> NDArray[np.int64]:
    """(X, Y, Z): place of the class with the strongest claim, -1 for none; ties to the first."""
    owner = np.full(claims[0].ids.shape, -1, np.int64)
    best = np.zeros(owner.shape, np.float32)
    for number, one in enumerate(claims):
        claimed = one.claimed
        wins = (one.ids > 0) & ((claimed > best) | (owner < 0))
        owner[wins], best[wins] = number, claimed[wins]
    return owner


def _losers(ids: NDArray[np.int32], has: NDArray[np.bool_]) -> set[int]:
    """The lesions of which more than LOST of the voxels went to others."""
    before = np.bincount(ids.ravel())
    left = np.bincount(ids[has], minlength=len(before))
    gone = (before - left) > LOST * before
    return {int(lesion) for lesion in np.flatnonzero(gone) if lesion}


def _nested(claims: Sequence[Claims], classes: LesionClasses) -> ScoredLesions:
    num = len(claims)
    innermost = np.zeros(claims[0].ids.shape, np.int32)
    scores: dict[int, float] = {}
    of_lesion, inside = [0], [0]
    for number in range(1, num + 1):
        within = classes.within(number)
        mask = np.zeros(innermost.shape, bool)
        for n in within:
            mask |= claims[n - 1].ids > 0
        ids = label_components(mask)
        first, count = len(of_lesion) - 1, int(ids.max(initial=0))
        best = np.zeros(count + 1)
        for n in within:
            found = claims[n - 1]
            score = np.zeros(int(found.ids.max(initial=0)) + 1)
            score[list(found.scores)] = list(found.scores.values())
            np.maximum.at(best, ids[found.ids > 0], score[found.ids[found.ids > 0]])
        around = np.zeros(count + 1, np.int32)
        around[ids[mask]] = innermost[mask]
        innermost[mask] = ids[mask] + first
        scores |= {lesion + first: float(best[lesion]) for lesion in range(1, count + 1)}
        of_lesion += [number] * count
        inside += around[1:].tolist()
    order = sorted(scores, key=lambda lesion: -scores[lesion])  # a container before its content
    new = np.zeros(len(of_lesion), np.int32)
    new[order] = np.arange(1, len(order) + 1)
    kinds = LesionKinds(
        np.array([0, *(of_lesion[lesion] for lesion in order)], np.int32),
        np.array([0, *(new[inside[lesion]] for lesion in order)], np.int32),
    )
    return ScoredLesions(new[innermost], {int(new[i]): scores[i] for i in order}, kinds)
