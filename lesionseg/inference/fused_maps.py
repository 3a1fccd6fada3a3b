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
HELD = 0.25  # share of a body in one part of the U-Net's mask, from which on that draws it
MOSTLY = 0.5  # share of a body in such parts, from which on nothing else of it is left


def fused_map(
    detector: LesionMap, semantic: LesionMap, *, outline_mm: float, outline_threshold: float
) -> LesionMap:
    """The detector's lesions, drawn by the semantic model where its mask is large.

    A component of the semantic mask (voxels of at least outline_threshold) of the volume of a ball
    of outline_mm or more is one lesion where it holds a quarter of any detected lesion's body: that
    with the best score of those. So what the semantic mask joins is one lesion. Of lesions that lie
    mostly in such components nothing is left outside them; others keep what no component takes.
    There a voxel has the semantic probability, or the detector's where it is sure and higher.
    Nothing is added that the detector did not find. A lesion's score is the mean of the detector's
    and of the highest semantic probability among its voxels.
    """
    ids, seen = detector.lesion_ids, np.nan_to_num(semantic.probability)
    parts = _large_parts(seen, voxel_volume(semantic.affine), outline_mm, outline_threshold)
    lesion_of, mostly = _owners(detector, parts)
    drawn = lesion_of[parts]
    left = np.where(mostly[ids] & (drawn == 0), 0, ids)
    fused = np.where(drawn > 0, drawn, left).astype(np.int32)
    sure = np.where((detector.probability >= SURE) & (ids > 0), detector.probability, 0)
    kept = np.where(mostly[ids], 0, detector.probability)
    peak = np.full(len(mostly), -1.0)  # of lesions without a voxel
    np.maximum.at(peak, fused.ravel(), seen.ravel())
    return dataclasses.replace(
        detector,
        probability=np.where(drawn > 0, np.maximum(seen, sure), kept).astype(np.float32),
        lesion_ids=fused,
        scores={
            lesion: (score + float(peak[lesion])) / 2
            for lesion, score in detector.scores.items()
            if peak[lesion] >= 0
        },
    )


def _large_parts(
    seen: NDArray[np.float32], voxel_mm3: float, outline_mm: float, threshold: float
) -> NDArray[np.int32]:
    """The components of the semantic mask that are large enough, the others 0."""
    parts = label_components(seen >= threshold)
    large = reaches(np.bincount(parts.ravel()) * voxel_mm3, np.pi / 6 * outline_mm**3)
    large[0] = False
    return np.where(large[parts], parts, 0)


def _owners(
    detector: LesionMap, parts: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The lesion that each part is, by part, 0 for none; and by lesion, whether it lies mostly in
    parts that hold it."""
    ids = detector.lesion_ids
    num_lesions, num_parts = int(ids.max(initial=0)) + 1, int(parts.max(initial=0)) + 1
    body = (detector.probability >= SURE) & (ids > 0)
    size = np.bincount(ids[body], minlength=num_lesions)
    both = body & (parts > 0)
    pairs, shared = np.unique(
        ids[both].astype(np.int64) * num_parts + parts[both], return_counts=True
    )
    lesion, part = np.divmod(pairs, num_parts)
    held = shared >= HELD * size[lesion]
    lesion, part, shared = lesion[held], part[held], shared[held]
    inside = np.bincount(lesion, weights=shared, minlength=num_lesions)
    score = np.array([detector.scores[int(one)] for one in lesion])
    lesion_of = np.zeros(num_parts, np.int32)
    for place in np.lexsort((-lesion, score)):  # the best last, of equals the first
        lesion_of[part[place]] = lesion[place]
    return lesion_of, (inside > 0) & (inside >= MOSTLY * size)
