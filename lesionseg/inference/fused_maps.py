"""What a detector finds, with a U-Net's outline where that is large."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.geometry import voxel_volume
from lesionseg.slack import reaches
from lesionseg.structures import LesionMap

SURE = 0.5  # of a detection's mask: its body
HELD = 0.25  # share of a body in one part of the U-Net's mask, from which on it is drawn by it


def fused_map(
    detector: LesionMap, semantic: LesionMap, *, outline_mm: float, outline_threshold: float
) -> LesionMap:
    """The detector's lesions, drawn by the semantic model where its mask is large.

    A component of the semantic mask (voxels of at least outline_threshold) of the volume of a ball
    of outline_mm or more is one lesion where it holds a quarter of any detected lesion's body: that
    with the best score of all it holds, which it replaces. Its voxels have the semantic
    probability. Other lesions are as detected, but for the voxels that such a component takes.
    Nothing is added that the detector did not find. A lesion's score is the mean of the detector's
    and of the highest semantic probability among its voxels.
    """
    ids, probability = detector.lesion_ids, detector.probability.copy()
    parts = _large_parts(semantic, outline_mm, outline_threshold)
    home = _homes(ids, probability, parts)
    best: dict[int, int] = {}  # part -> the lesion that it is
    for lesion in sorted(home, key=lambda one: (-detector.scores[one], one)):
        best.setdefault(home[lesion], lesion)
    replaced = np.zeros(int(ids.max(initial=0)) + 1, bool)
    replaced[list(home)] = True
    lesion_of = np.zeros(int(parts.max(initial=0)) + 1, np.int32)
    lesion_of[list(best)] = list(best.values())
    drawn = lesion_of[parts]
    probability[replaced[ids]] = 0
    fused = np.where(replaced[ids], 0, ids)
    probability = np.where(drawn > 0, semantic.probability, probability).astype(np.float32)
    fused = np.where(drawn > 0, drawn, fused).astype(np.int32)
    peak = np.full(len(replaced), -1.0)  # of lesions without a voxel
    np.maximum.at(peak, fused.ravel(), semantic.probability.ravel())
    return dataclasses.replace(
        detector,
        probability=probability,
        lesion_ids=fused,
        scores={
            lesion: (score + float(peak[lesion])) / 2
            for lesion, score in detector.scores.items()
            if peak[lesion] >= 0
        },
    )


def _large_parts(semantic: LesionMap, outline_mm: float, threshold: float) -> NDArray[np.int32]:
    """The components of the semantic mask that are large enough, the others 0."""
    parts = label_components(semantic.probability >= threshold)
    volume = np.bincount(parts.ravel()) * voxel_volume(semantic.affine)
    large = reaches(volume, np.pi / 6 * outline_mm**3)
    large[0] = False
    return np.where(large[parts], parts, 0)


def _homes(
    ids: NDArray[np.int32], probability: NDArray[np.float32], parts: NDArray[np.int32]
) -> dict[int, int]:
    """The part that holds most of each lesion's body, of those held by at least HELD."""
    body = (probability >= SURE) & (ids > 0)
    size = np.bincount(ids[body], minlength=int(ids.max(initial=0)) + 1)
    both = body & (parts > 0)
    num = int(parts.max(initial=0)) + 1
    pairs, shared = np.unique(ids[both].astype(np.int64) * num + parts[both], return_counts=True)
    lesion, part = np.divmod(pairs, num)
    held = shared >= HELD * size[lesion]
    homes: dict[int, int] = {}
    for place in np.lexsort((part, -shared)):
        if held[place]:
            homes.setdefault(int(lesion[place]), int(part[place]))
    return homes
