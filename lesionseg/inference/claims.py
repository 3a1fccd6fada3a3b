"""What the lesions of each class claim, and which class has a voxel that several claim."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.lesion_classes import LesionClasses

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
    def reported(self) -> Claims:
        """The same, less the lesions whose score is below the threshold."""
        return self.without({i for i, score in self.scores.items() if score < self.threshold})

    @property
    def claimed(self) -> NDArray[np.float32]:
        """How strongly each voxel is claimed, 0 outside lesions."""
        size = int(self.ids.max(initial=0)) + 1
        score, reported = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for lesion, value in self.scores.items():
            score[lesion], reported[lesion] = value, value >= self.threshold
        own = score[self.ids] if self.strength is None else self.strength
        return np.where(self.ids > 0, own + reported[self.ids], 0).astype(np.float32)


def settled(claims: Sequence[Claims], classes: LesionClasses) -> list[Claims]:
    """The claims, none of them on a voxel that another class has.

    The strongest claim has a voxel, ties go to the first class; a region and what lies inside it do
    not compete. A lesion that loses more than LOST of its voxels is dropped, and what it took from
    others comes back: first those are dropped that lose so much to lesions that stay, as a lesion
    may stay once the one that took its voxels is gone.
    """
    while True:
        has = _owned(claims, claims, classes)
        lost = [_losers(one.ids, mine) for one, mine in zip(claims, has)]
        if not any(lost):
            break
        staying = [one.without(gone) for one, gone in zip(claims, lost)]
        against = _owned(claims, staying, classes)
        surely = [_losers(one.ids, mine) for one, mine in zip(claims, against)]
        # lesions may lose to one another in a ring, where voxels are claimed each by its own
        gone = surely if any(surely) else lost
        claims = [one.without(mine) for one, mine in zip(claims, gone)]
    kept = [dataclasses.replace(one, ids=np.where(h, one.ids, 0)) for one, h in zip(claims, has)]
    empty = [set(one.scores) - set(np.unique(one.ids).tolist()) for one in kept]
    return [one.without(lesions) for one, lesions in zip(kept, empty)]


def _owned(
    claims: Sequence[Claims], rivals: Sequence[Claims], classes: LesionClasses
) -> list[NDArray[np.bool_]]:
    """By class, where it has the voxels that its lesions claim, (X, Y, Z), of what the lesions of
    `rivals` leave of them."""
    claimed, wanted = [one.claimed for one in claims], [one.claimed for one in rivals]
    found = []
    for number, one in enumerate(claims, 1):
        has = one.ids > 0
        for other in range(1, len(claims) + 1):
            if other in classes.enclosing(number) or number in classes.enclosing(other):
                continue
            mine, theirs = claimed[number - 1], wanted[other - 1]
            wins = mine >= theirs if number < other else mine > theirs
            has &= wins | (rivals[other - 1].ids == 0)
        found.append(has)
    return found


def _losers(ids: NDArray[np.int32], has: NDArray[np.bool_]) -> set[int]:
    """The lesions of which more than LOST of the voxels went to others."""
    before = np.bincount(ids.ravel())
    left = np.bincount(ids[has], minlength=len(before))
    gone = (before - left) > LOST * before
    return {int(lesion) for lesion in np.flatnonzero(gone) if lesion}
