"""The lesions of all classes in one volume, those that are reported and all candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import relabelled
from lesionseg.inference.claims import Claims, settled
from lesionseg.inference.region_lesions import region_layers
from lesionseg.lesion_classes import LesionClasses
from lesionseg.lesion_kinds import LesionKinds, nested


@dataclass(frozen=True, eq=False)
class ScoredLesions:
    """Lesions of all classes in one volume. ids: (X, Y, Z) int32, 1.. by falling score. scores: by
    id. kinds: class of each, and which lies inside which. reported: the ids that are."""

    ids: NDArray[np.int32]
    scores: Mapping[int, float]
    kinds: LesionKinds
    reported: frozenset[int]

    @property
    def kept(self) -> ScoredLesions:
        """Those alone that are reported; a voxel of one that is not is of the lesion around it."""
        order = sorted(self.reported)
        rank = np.zeros(len(self.kinds.classes), np.int32)
        rank[order] = np.arange(1, len(order) + 1)
        shown = np.arange(len(rank))
        while (hidden := (shown > 0) & (rank[shown] == 0)).any():
            shown[hidden] = self.kinds.inside[shown[hidden]]
        own = [0, *order]
        kinds = LesionKinds(self.kinds.classes[own], rank[shown[self.kinds.inside[own]]])
        scores = {int(rank[lesion]): self.scores[lesion] for lesion in order}
        return ScoredLesions(relabelled(self.ids, rank[shown]), scores, kinds, frozenset(scores))


def join_classes(claims: Sequence[Claims], classes: LesionClasses) -> ScoredLesions:
    """One volume of lesions from those of each class.

    Of classes that exclude one another the strongest claim has a voxel; a lesion that loses half of
    its voxels to others is dropped, for it is one of them seen as another class. Regions are made
    to contain one another, as `region_layers` says.
    """
    if len(claims) == 1:
        (only,) = claims
        number = np.zeros(len(only.scores) + 1, np.int32)
        number[1:] = 1
        kinds = LesionKinds(number, np.zeros_like(number))
        told = frozenset(i for i, score in only.scores.items() if score >= only.threshold)
        return ScoredLesions(only.ids, only.scores, kinds, told)
    claims = settled(claims, classes)
    layers, found, reported = (region_layers if classes.regions else _layers)(claims, classes)
    ids, kinds = nested(layers)
    scores = np.array([0.0, *(found[lesion] for lesion in range(1, len(found) + 1))])
    _raise_containers(scores, kinds, reported)
    # of equal scores a container before its content
    order = sorted(found, key=lambda lesion: (-scores[lesion], kinds.classes[lesion]))
    new = np.zeros(len(scores), np.int32)
    new[order] = np.arange(1, len(order) + 1)
    own = [0, *order]
    return ScoredLesions(
        new[ids],
        {int(new[lesion]): float(scores[lesion]) for lesion in order},
        LesionKinds(kinds.classes[own], new[kinds.inside[own]]),
        frozenset(new[list(reported)].tolist()),
    )


def _layers(
    claims: Sequence[Claims], classes: LesionClasses
) -> tuple[list[NDArray[np.int32]], dict[int, float], frozenset[int]]:
    """As `region_layers`, of classes that exclude one another and have each voxel once."""
    layers: list[NDArray[np.int32]] = []
    scores: dict[int, float] = {}
    reported: set[int] = set()
    for one in claims:
        new = np.zeros(int(one.ids.max(initial=0)) + 1, np.int32)
        for lesion, score in one.scores.items():
            new[lesion] = len(scores) + 1
            scores[len(scores) + 1] = score
            if score >= one.threshold:
                reported.add(len(scores))
        layers.append(new[one.ids])
    return layers, scores, frozenset(reported)


def _raise_containers(
    scores: NDArray[np.float64], kinds: LesionKinds, reported: frozenset[int]
) -> None:
    """A lesion scores at least as much as those inside it; one that is reported as those that are
    reported too."""
    told = np.isin(np.arange(len(scores)), list(reported))
    for number in reversed(kinds.numbers):
        mine = np.flatnonzero((kinds.classes == number) & (kinds.inside > 0))
        mine = mine[told[mine] | ~told[kinds.inside[mine]]]
        np.maximum.at(scores, kinds.inside[mine], scores[mine])
