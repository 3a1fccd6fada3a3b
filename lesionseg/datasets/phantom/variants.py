"""What the masks of a phantom cohort tell apart: classes, cores inside lesions, ignored shadows.

Heads, places and sizes of lesions and noise are those of the plain cohort of the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lesionseg import geometry
from lesionseg.datasets.phantom.anatomy import Anatomy
from lesionseg.datasets.phantom.lesions import FINE_MM, GAP_MM, Blob, coverage
from lesionseg.structures import Grid

# what the contrast of a plain lesion, bright in FLAIR and dark in T1, is multiplied by: three look
# alike in FLAIR, inactive and cystic ones in T1
CLASSES = {
    "active lesion": (1.0, -0.6),  # bright in T1
    "inactive lesion": (1.0, 1.0),
    "fresh lesion": (1.0, 0.0),  # as its surroundings in T1
    "cystic lesion": (-0.7, 1.0),  # dark in FLAIR
}
WHOLE, CORE = "whole lesion", "lesion core"
PAIRED = 0.5  # share of the lesions that are asked to touch one of another class
PAIRED_MM3 = (6.0, 300.0)  # smaller ones would lose their voxels to each other
PRESSED_MM = 0.75  # how far one reaches into the other, so that whole faces of voxels meet
CORE_FROM_MM3 = 12.0
CORE_SHARE = (0.25, 0.4)  # of a lesion's volume
CORE_CONTRAST = (-44.0, -34.0)  # added to that of its lesion
TRIES = 12


@dataclass(frozen=True)
class Variant:
    """classes: 1, 2 or 4 kinds of lesions. nested: lesions have cores. ignored: there are shadows
    of which the mask does not say whether they are lesions."""

    classes: int = 1
    nested: bool = False
    ignored: bool = False

    @property
    def ignored_value(self) -> int:
        """nnU-Net wants the highest of consecutive values."""
        return 1 + (2 if self.nested else self.classes)

    @property
    def dataset_json(self) -> dict[str, Any]:
        """Its labels as nnU-Net has them in dataset.json."""
        labels: dict[str, Any] = {"background": 0, "lesion": 1}
        if self.nested:
            labels = {"background": 0, WHOLE: [1, 2], CORE: [2]}
        elif self.classes > 1:
            names = list(CLASSES)[: self.classes]
            labels = {"background": 0, **{name: n for n, name in enumerate(names, 1)}}
        if self.ignored:
            labels["ignore"] = self.ignored_value
        order = {"regions_class_order": [1, 2]} if self.nested else {}
        return {"labels": labels, **order}


def with_classes(
    lesions: Sequence[Blob], num_classes: int, anatomy: Anatomy, rng: np.random.Generator
) -> tuple[list[Blob], list[int]]:
    """The lesions as of `num_classes` kinds, some moved to touch one of another, and their classes.

    Each class is as frequent as the others and of the same sizes: as many lesions as there are
    classes, one after another by size, are dealt to them at random.
    """
    rounds = -(-len(lesions) // num_classes)
    dealt = [int(number) + 1 for _ in range(rounds) for number in rng.permutation(num_classes)]
    classes = dealt[: len(lesions)]
    scales = list(CLASSES.values())
    placed = _with_pairs(lesions, classes, anatomy, rng)
    return [_scaled(one, scales[n - 1]) for one, n in zip(placed, classes)], classes


def with_cores(lesions: Sequence[Blob], rng: np.random.Generator) -> list[Blob]:
    """The middle of each lesion that is large enough, to be rendered on top of the lesion."""
    cores = []
    for lesion in lesions:
        if lesion.volume_mm3 >= CORE_FROM_MM3:
            away = np.linalg.norm(lesion.points - lesion.points.mean(axis=0), axis=1)
            count = round(len(away) * float(rng.uniform(*CORE_SHARE)))
            inner = lesion.points[np.argsort(away, kind="stable")[:count]]
            cores.append(replace(lesion, points=inner, contrast=CORE_CONTRAST))
    return cores


def mark_cores(mask: NDArray[np.uint8], cores: Sequence[Blob], grid: Grid) -> NDArray[np.uint8]:
    """The mask of lesions (X, Y, Z), 1 inside, with 2 in their cores; none reaches outside."""
    marked = mask.ravel().copy()
    for core in cores:
        flat, share = coverage(core, grid)
        flat, share = flat[mask.ravel()[flat] == 1], share[mask.ravel()[flat] == 1]
        wanted = max(1, round(core.volume_mm3 / geometry.voxel_volume(grid.affine)))
        marked[flat[np.argsort(-share, kind="stable")[:wanted]]] = 2
    return marked.reshape(mask.shape)


def _with_pairs(
    lesions: Sequence[Blob], classes: Sequence[int], anatomy: Anatomy, rng: np.random.Generator
) -> list[Blob]:
    """The lesions, some moved beside one of another class; those without room stay."""
    placed = list(lesions)
    least, most = PAIRED_MM3
    fit = [n for n, lesion in enumerate(lesions) if least <= lesion.volume_mm3 <= most]
    open_ = [int(n) for n in rng.permutation(fit)]
    pairs = max(1, round(PAIRED * len(fit) / 2))
    while open_ and pairs:
        first = open_.pop()
        second = next((n for n in open_ if classes[n] != classes[first]), None)
        if second is None:
            continue
        others = [one for n, one in enumerate(placed) if n not in (first, second)]
        moved = _beside(placed[first], placed[second], others, anatomy, rng)
        if moved is not None:
            placed[second] = moved
            open_.remove(second)
            pairs -= 1
    return placed


def _beside(
    still: Blob,
    moving: Blob,
    others: Sequence[Blob],
    anatomy: Anatomy,
    rng: np.random.Generator,
) -> Blob | None:
    """`moving` in contact with `still`, its middle in white matter and apart from all others."""
    near = KDTree(still.points)
    apart = KDTree(np.concatenate([one.points for one in others])) if others else None
    start = still.points.mean(axis=0)
    centred = moving.points - moving.points.mean(axis=0)
    for _ in range(TRIES):
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        middle = start + _touching_mm(near, start, centred, direction) * direction
        points = centred + middle
        voxel = np.rint(np.linalg.solve(anatomy.affine[:3, :3], middle - anatomy.affine[:3, 3]))
        place = tuple(voxel.astype(int))
        if not all(0 <= at < n for at, n in zip(place, anatomy.white.shape)):
            continue
        clear = apart is None or apart.query(points)[0].min() > GAP_MM
        if clear and anatomy.white[place] > 0.95 and anatomy.to_ventricles[place] > 0.8:
            return replace(moving, points=points)
    return None


def _touching_mm(
    near: KDTree,
    start: NDArray[np.float64],
    centred: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> float:
    """How far along a direction one lesion stands that meets another from outside."""
    away = float(
        np.linalg.norm(near.data - start, axis=1).max() + np.linalg.norm(centred, axis=1).max()
    )
    while (gap := near.query(centred + start + away * direction)[0].min()) > FINE_MM and away > 0:
        away -= max(gap - FINE_MM, FINE_MM / 4)
    return max(away - PRESSED_MM, 0.0)


def _scaled(lesion: Blob, scale: tuple[float, float]) -> Blob:
    flair, t1 = lesion.contrast
    return replace(lesion, contrast=(flair * scale[0], t1 * scale[1]))
