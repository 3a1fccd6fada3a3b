"""Lesions and what looks like them, drawn at a quarter of a millimetre and rendered on any grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from lesionseg import geometry
from lesionseg.datasets.phantom.anatomy import Anatomy
from lesionseg.structures import Affine, Grid

MEDIAN_MM3 = 17.4  # 5/25/50/75/95 percentiles of real MS lesions: 1.2, 6.5, 17.4, 47, 251 mm3
LOG_SIGMA = 1.55
SMALLEST_MM3, LARGEST_MM3 = 1.0, 2500.0
FINE_MM = 0.25
GAP_MM = 2.0


@dataclass(frozen=True, eq=False)
class Blob:
    """points: (N, 3) world mm, each standing for `point_mm3` of it. contrast: added brightness of
    FLAIR and T1 where a voxel is full of it."""

    points: NDArray[np.float64]
    point_mm3: float
    contrast: tuple[float, float]

    @property
    def volume_mm3(self) -> float:
        return len(self.points) * self.point_mm3


def draw_lesions(anatomy: Anatomy, count: int, rng: np.random.Generator) -> list[Blob]:
    """`count` lesions (fewer where there is no room): white matter, mostly near the ventricles.

    Volumes are log-normal; outlines irregular; brightness varies, small ones are often faint.
    """
    weight = np.exp(-anatomy.to_ventricles / 8) + 0.03
    weight *= anatomy.white > 0.95
    weight *= anatomy.to_ventricles > 0.8
    taken = np.zeros(weight.shape, bool)
    quantiles = (np.arange(count) + rng.random(count)) / max(count, 1)  # no scan of large ones only
    volumes = MEDIAN_MM3 * np.exp(LOG_SIGMA * special.ndtri(quantiles))
    lesions = []
    for volume in np.clip(volumes, SMALLEST_MM3, LARGEST_MM3)[::-1]:
        place = _free_place(weight, taken, anatomy.affine, rng)
        if place is None:
            break
        strength = float(rng.uniform(0.45, 1.0))
        contrast = (56 * strength, -50 * strength * float(rng.uniform(0.6, 1.1)))
        lesion = _blob(place, float(volume), contrast, rng, spread=0.45)
        lesions.append(lesion)
        _take(taken, lesion, anatomy.affine)
    return lesions


def draw_distractors(anatomy: Anatomy, count: int, rng: np.random.Generator) -> list[Blob]:
    """What is bright and no lesion, or dark like one: `count` spots, vessels and dark spaces.

    Spots in the cortex are bright in FLAIR but not dark in T1; vessels are bright in both; spaces
    around vessels are dark in both; a few spots in white matter are dark in T1 alone.
    """
    cortex = (anatomy.cortex > 0.9).astype(np.float32)
    white = (anatomy.white > 0.95).astype(np.float32)
    out = []
    for index in range(count):
        kind = ("spot", "vessel", "vessel", "space", "dark")[index % 5]
        where = cortex if kind == "spot" else white
        place = _free_place(where, np.zeros(where.shape, bool), anatomy.affine, rng)
        if place is None:
            break
        strength = float(rng.uniform(0.6, 1.1))
        volume = float(np.clip(np.exp(rng.normal(np.log(16), 0.9)), 2, 120))
        if kind == "spot":
            out.append(_blob(place, volume, (46 * strength, 6 * strength), rng, spread=0.3))
        elif kind == "dark":
            out.append(_blob(place, volume, (-4 * strength, -40 * strength), rng, spread=0.3))
        elif kind == "vessel":
            out.append(_tube(place, 1.5, (62 * strength, 70 * strength), rng))
        else:
            out.append(_tube(place, 1.2, (-45 * strength, -75 * strength), rng))
    return out


def draw_shadows(
    anatomy: Anatomy, lesions: Sequence[Blob], count: int, rng: np.random.Generator
) -> list[Blob]:
    """`count` spots apart from the lesions, as faint ones look: nobody could say what they are."""
    white = (anatomy.white > 0.95).astype(np.float32)
    taken = np.zeros(white.shape, bool)
    for lesion in lesions:
        _take(taken, lesion, anatomy.affine)
    shadows: list[Blob] = []
    for _ in range(count):
        place = _free_place(white, taken, anatomy.affine, rng)
        if place is None:
            break
        strength = float(rng.uniform(0.3, 0.5))
        volume = float(np.clip(np.exp(rng.normal(np.log(30), 0.8)), 8, 200))
        shadows.append(_blob(place, volume, (56 * strength, -45 * strength), rng, spread=0.45))
        _take(taken, shadows[-1], anatomy.affine)
    return shadows


def coverage(blob: Blob, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Flat indices of the voxels that a blob touches, and the share of each that it fills."""
    quarter = np.cbrt(blob.point_mm3) / 4
    octants = np.stack(np.meshgrid(*[(-quarter, quarter)] * 3), -1).reshape(-1, 1, 3)
    world = (blob.points + octants).reshape(-1, 3) - grid.affine[:3, 3]
    index = np.linalg.solve(grid.affine[:3, :3], world.T).T
    voxels = np.rint(index).astype(np.int64)
    voxels = voxels[((voxels >= 0) & (voxels < grid.shape)).all(axis=1)]
    if not len(voxels):
        return np.zeros(0, np.int64), np.zeros(0)
    low = voxels.min(axis=0)
    box = tuple(voxels.max(axis=0) - low + 1)
    heaped = np.bincount(np.ravel_multi_index(tuple((voxels - low).T), box))
    touched = np.flatnonzero(heaped)
    counts = heaped[touched]
    place = np.stack(np.unravel_index(touched, box)) + low[:, None]
    flat = np.ravel_multi_index(tuple(place), grid.shape)
    share = counts * (blob.point_mm3 / 8) / geometry.voxel_volume(grid.affine)
    return flat, np.minimum(share, 1.0)


def render(blobs: Sequence[Blob], image: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Add blobs to an image (2, X, Y, Z) on `grid`, blurred by the scanner as all else."""
    added = np.zeros((2, int(np.prod(grid.shape))), np.float32)
    for blob in blobs:
        flat, share = coverage(blob, grid)
        for channel, contrast in enumerate(blob.contrast):
            strongest = np.abs(contrast * share) > np.abs(added[channel, flat])
            added[channel, flat[strongest]] = (contrast * share)[strongest]
    sigma = [0.4 / step for step in geometry.spacing(grid.affine)]
    return np.stack(
        [
            image[channel]
            + ndimage.gaussian_filter(added[channel].reshape(grid.shape), np.minimum(sigma, 1))
            for channel in range(2)
        ]
    )


def reference_mask(
    lesions: Sequence[Blob], grid: Grid, values: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """What a careful reader would outline: of each lesion as many of its fullest voxels as make up
    its volume, one at least.

    values: that mark each lesion, by default 1. A voxel that has another value already is kept.
    """
    mask = np.zeros(int(np.prod(grid.shape)), np.uint8)
    for lesion, value in zip(lesions, values or [1] * len(lesions), strict=True):
        flat, share = coverage(lesion, grid)
        free = (mask[flat] == 0) | (mask[flat] == value)
        flat, share = flat[free], share[free]
        if flat.size:
            wanted = max(1, round(lesion.volume_mm3 / geometry.voxel_volume(grid.affine)))
            mask[flat[np.argsort(-share, kind="stable")[:wanted]]] = value
    return mask.reshape(grid.shape)


def _free_place(
    weight: NDArray[np.floating], taken: NDArray[np.bool_], affine: Affine, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """A random world point in a voxel, by weight, that is still free."""
    flat = np.flatnonzero((weight > 0) & ~taken)
    if not flat.size:
        return None
    heaped = np.cumsum(weight.ravel()[flat], dtype=np.float64)
    chosen = flat[min(np.searchsorted(heaped, rng.random() * heaped[-1]), flat.size - 1)]
    index = np.array(np.unravel_index(chosen, weight.shape)) + rng.uniform(-0.5, 0.5, 3)
    return affine[:3, :3] @ index + affine[:3, 3]


def _blob(
    place: NDArray[np.float64],
    volume_mm3: float,
    contrast: tuple[float, float],
    rng: np.random.Generator,
    *,
    spread: float,
) -> Blob:
    """An ellipsoid of random axes with a ragged outline, of exactly this volume to one point."""
    radius = (3 * volume_mm3 / (4 * np.pi)) ** (1 / 3)
    fine = min(FINE_MM, radius / 3.5) if radius < 4 else radius / 16
    axes = np.exp(rng.normal(0, spread / 2, 3))
    axes /= axes.prod() ** (1 / 3)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    half = int(np.ceil(radius * axes.max() * 1.7 / fine)) + 1
    steps = np.arange(-half, half + 1) * fine
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    distance = np.sqrt((((points @ turn) / axes) ** 2).sum(axis=1)) / radius
    ragged = ndimage.gaussian_filter(
        rng.standard_normal((steps.size,) * 3), 0.45 * radius / fine, mode="wrap"
    ).ravel()
    distance += spread * 0.5 * ragged / ragged.std()
    count = max(1, round(volume_mm3 / fine**3))
    inside = np.argpartition(distance, min(count, distance.size - 1))[:count]
    return Blob(points[inside] + place, fine**3, contrast)


def _tube(
    place: NDArray[np.float64],
    width_mm: float,
    contrast: tuple[float, float],
    rng: np.random.Generator,
) -> Blob:
    """A curved vessel of 8 to 20 mm."""
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    length = rng.uniform(8, 20)
    along = np.arange(-length / 2, length / 2, FINE_MM)
    bow = np.cross(direction, rng.standard_normal(3))
    bow /= np.linalg.norm(bow) + 1e-9
    line = along[:, None] * direction + (along**2 / rng.uniform(25, 60))[:, None] * bow
    radius = width_mm * rng.uniform(0.6, 1.2) / 2
    offsets = np.arange(-radius, radius + FINE_MM / 2, FINE_MM)
    disc = np.stack(np.meshgrid(offsets, offsets, offsets, indexing="ij"), -1).reshape(-1, 3)
    disc = disc[(disc**2).sum(axis=1) <= radius**2]
    points = (line[:, None] + disc[None]).reshape(-1, 3)
    cells = np.unique(np.rint(points / FINE_MM).astype(np.int64), axis=0)
    return Blob(cells * FINE_MM + place, FINE_MM**3, contrast)


def _take(taken: NDArray[np.bool_], lesion: Blob, affine: Affine) -> None:
    """Mark the box of a lesion and a gap around it, so that the next one stays apart."""
    low = np.floor(lesion.points.min(axis=0) - GAP_MM - affine[:3, 3]).astype(int)
    high = np.ceil(lesion.points.max(axis=0) + GAP_MM - affine[:3, 3]).astype(int)
    taken[tuple(slice(max(a, 0), max(b + 1, 0)) for a, b in zip(low, high))] = True
