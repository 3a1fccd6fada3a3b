"""Random reference and predicted lesions on small grids, for comparing figures with other tools.

The same seed gives the same cases. Families: scattered lesions on grids of 1 mm, of thick slices,
and rotated with an affine of float32 as NIfTI stores it; lesions that touch; of one voxel; many;
noise; and the three kinds of nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

SPACINGS_MM = ((1.0, 1.0, 1.0), (0.9, 0.9, 3.0), (0.5, 0.5, 5.0), (1.0, 1.2, 1.0))
FULL = np.ones((3, 3, 3), bool)
Generator = np.random.Generator


@dataclass(frozen=True, eq=False)
class Case:
    """reference, prediction: (X, Y, Z) int32 ids, 1..L without gaps. scores: (P,) by predicted id.

    affine: (4, 4) float32; spacing_mm: the lengths of its columns.
    """

    family: str
    reference: NDArray[np.int32]
    prediction: NDArray[np.int32]
    scores: NDArray[np.float64]
    affine: NDArray[np.float32]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        return np.sqrt((self.affine[:3, :3].astype(np.float64) ** 2).sum(axis=0))


def make_cases(seed: int = 0) -> Iterator[Case]:
    """All cases, 410 of them."""
    generator = np.random.default_rng(seed)
    for family, (number, reference) in FAMILIES.items():
        for i in range(number):
            ids = reference(generator)
            prediction = perturbed(generator, ids, family)
            if family == "no reference":
                ids = np.zeros_like(ids)
            spacing = (
                SPACINGS_MM[i % 4] if family in ROTATED or family == "thick slices" else (1,) * 3
            )
            affine = random_affine(generator, spacing, rotated=family in ROTATED)
            scores = generator.integers(1, 2**22, int(prediction.max())) / 2**22  # exact in float32
            yield Case(family, ids, prediction, scores, affine)


def scattered(generator: Generator, number: int = 7, gap: int = 1) -> NDArray[np.int32]:
    """Ellipsoids of 0.5 to 3.5 voxels radius, at least `gap` voxels apart."""
    ids = np.zeros(generator.integers(18, 27, 3), np.int32)
    grid = np.indices(ids.shape)
    for _ in range(number):
        centre = generator.uniform(0, ids.shape)[:, None, None, None]
        radius = generator.uniform(0.5, 3.5, 3)[:, None, None, None]
        ball = (((grid - centre) / radius) ** 2).sum(axis=0) <= 1
        near = ndimage.binary_dilation(ball, FULL, iterations=gap) if gap and ball.any() else ball
        if gap == 0 or not ids[near].any():
            ids[ball & (ids == 0)] = ids.max() + 1
    return numbered(ids)


def touching(generator: Generator) -> NDArray[np.int32]:
    """Ellipsoids one upon the other, each with an id of its own."""
    return scattered(generator, 14, gap=0)


def one_voxel(generator: Generator) -> NDArray[np.int32]:
    ids = np.zeros(generator.integers(12, 20, 3), np.int32)
    ids.ravel()[generator.choice(ids.size, 12, replace=False)] = np.arange(1, 13)
    return ids


def many(generator: Generator) -> NDArray[np.int32]:
    return scattered(generator, 60)


def noise(generator: Generator) -> NDArray[np.int32]:
    """Components of random voxels: ragged, of every size."""
    mask = generator.random(generator.integers(10, 15, 3)) < generator.uniform(0.01, 0.06)
    return ndimage.label(mask, FULL)[0].astype(np.int32)


def empty(generator: Generator) -> NDArray[np.int32]:
    return np.zeros(generator.integers(10, 20, 3), np.int32)


FAMILIES: dict[str, tuple[int, Callable[[Generator], NDArray[np.int32]]]] = {
    "scattered": (60, scattered),
    "thick slices": (60, scattered),
    "rotated": (60, scattered),
    "touching": (50, touching),
    "rotated, touching": (30, touching),
    "one voxel": (40, one_voxel),
    "rotated, one voxel": (20, one_voxel),
    "many": (20, many),
    "noise": (30, noise),
    "no reference": (15, scattered),
    "no prediction": (15, scattered),
    "nothing": (10, empty),
}
ROTATED = ("rotated", "rotated, touching", "rotated, one voxel")


def perturbed(generator: Generator, ids: NDArray[np.int32], family: str) -> NDArray[np.int32]:
    """A prediction: lesions kept, shifted, cut in two, joined or missed, and false positives."""
    found = np.zeros_like(ids)
    if family in ("no prediction", "nothing"):
        return found
    for lesion in range(1, int(ids.max()) + 1):
        voxels = np.argwhere(ids == lesion)
        fate = generator.choice(["kept", "shifted", "grown", "cut", "joined", "missed"])
        if fate == "missed":
            continue
        if fate in ("shifted", "cut"):
            voxels = voxels + generator.integers(-1, 2, 3)
        voxels = voxels[((voxels >= 0) & (voxels < ids.shape)).all(axis=1)]
        if len(voxels) == 0:
            continue
        mask = np.zeros(ids.shape, bool)
        mask[tuple(voxels.T)] = True
        if fate == "grown":
            mask = ndimage.binary_dilation(mask)
        found[mask] = max(1, int(found.max()) + (fate != "joined"))
        if fate == "cut":
            found[mask & (np.indices(ids.shape)[0] > voxels[:, 0].mean())] = found.max() + 1
    for centre in generator.integers(0, ids.shape, (generator.integers(0, 4), 3)):
        found[tuple(map(slice, centre, centre + generator.integers(1, 3, 3)))] = found.max() + 1
    return numbered(found)


def numbered(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same lesions with ids 1..L."""
    _, index = np.unique(np.append(ids.ravel(), 0), return_inverse=True)
    return index[:-1].reshape(ids.shape).astype(np.int32)


def random_affine(
    generator: Generator, spacing: tuple[float, ...], *, rotated: bool
) -> NDArray[np.float32]:
    turn = Rotation.random(rng=generator).as_matrix() if rotated else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = turn * np.asarray(spacing)
    affine[:3, 3] = generator.uniform(-50, 50, 3)
    return affine.astype(np.float32)
