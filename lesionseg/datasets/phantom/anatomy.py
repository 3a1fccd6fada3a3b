"""A synthetic head: tissue classes, ventricles, folded cortex and vessels, drawn from a seed.

Everything is made of implicit functions in millimetres on a 1 mm RAS grid, with edges that fall off
over a voxel, then turned into a FLAIR-like and a T1-like image. It is meant to be as hard for a
detector as a real head, not to look real to a radiologist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.structures import Affine, Grid

Field = NDArray[np.float32]
HEAD_MM = (112, 128, 96)  # field of view around a head of full size
RIBBON_MM = 2.6  # thickness of the cortex

# FLAIR-like and T1-like brightness of each tissue, arbitrary units
INTENSITY = {
    "air": (4.0, 4.0),
    "scalp": (105.0, 175.0),
    "skull": (22.0, 30.0),
    "csf": (26.0, 38.0),
    "grey": (116.0, 104.0),
    "white": (96.0, 150.0),
    "deep": (106.0, 124.0),
}


@dataclass(frozen=True, eq=False)
class Anatomy:
    """image: (2, X, Y, Z) float32, FLAIR-like and T1-like, without lesions, bias or noise.

    white: (X, Y, Z) in [0, 1], the share of white matter. to_ventricles: mm to the nearest lateral
    ventricle. cortex: (X, Y, Z) in [0, 1], the share of cortical grey matter and sulci.
    """

    image: Field
    white: Field
    cortex: Field
    to_ventricles: Field
    affine: Affine


def draw_anatomy(rng: np.random.Generator, size: float = 1.0) -> Anatomy:
    """One subject's head; `size` scales its outline, not the folds of its cortex."""
    shape = tuple(round(side * size) for side in HEAD_MM)
    affine = np.eye(4)
    affine[:3, 3] = -(np.array(shape) - 1) / 2
    x, y, z = _coordinates(shape, rng)
    half = [0.5 * size * side * float(rng.uniform(0.88, 0.95)) for side in HEAD_MM]
    depth = _depth_in_head(x, y, z, half, shape, rng)

    scalp = 3.0 * size**0.5
    skull = scalp + 3.2 * size**0.5
    brain_depth = depth - skull - 1.3
    folds = _distance_to_folds(shape, 4.4, rng)
    fine_folds = _distance_to_folds(shape, 2.3, rng)
    cerebellum = _inside(np.maximum(z + 0.46 * half[2], y + 0.12 * half[1] + 0.3 * np.abs(x)))
    folds = folds + (fine_folds - folds) * cerebellum
    shallow = np.clip(1 - brain_depth / (19 * size), 0, 1)  # sulci end where it is 0
    midline = np.abs(x + 0.6 * np.sin(y / 9))
    fissure = np.where(np.abs(z - 0.1 * half[2]) + np.abs(y) * 0.6 < 0.42 * half[2], 99, midline)
    sulcus = np.minimum(folds + 4.5 * (1 - shallow) ** 3, fissure)

    ventricles = _ventricles(x, y, z, half, rng)
    csf_gap = _inside(sulcus - 0.85 * (0.2 + shallow)) * (brain_depth > 0)
    cortex = np.maximum(_inside(sulcus - 0.75 - RIBBON_MM), _inside(brain_depth - RIBBON_MM))
    deep = _deep_grey(x, y, z, half)

    image = np.empty((2, *shape), np.float32)
    layers = [
        ("scalp", _inside(-depth)),
        ("skull", _inside(scalp - depth)),
        ("csf", _inside(skull - depth)),
        ("white", _inside(-brain_depth)),
        ("deep", deep * (brain_depth > 4)),
        ("grey", cortex * _inside(-brain_depth)),
        ("csf", csf_gap),
        ("csf", _inside(ventricles)),
    ]
    for channel in range(2):
        canvas = np.full(shape, INTENSITY["air"][channel], np.float32)
        for tissue, share in layers:
            canvas += share * (INTENSITY[tissue][channel] - canvas)
        image[channel] = canvas
    white = layers[3][1] * (1 - layers[4][1]) * (1 - layers[5][1]) * (1 - layers[6][1])
    white *= 1 - layers[7][1]
    _add_tissue_texture(image, white, rng)
    _add_ventricle_caps(image, ventricles, white)
    _add_marrow(image, depth, scalp, skull, rng)
    return Anatomy(image, white, cortex * _inside(-brain_depth), np.maximum(ventricles, 0), affine)


def smooth_noise(
    shape: tuple[int, ...], sigma_vox: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A random field of unit variance whose structures are about sigma_vox large."""
    stride = max(1, int(sigma_vox / 2.5))
    least = int(5 * sigma_vox / stride)  # a field as small as its structures would be flat
    small = tuple(max(-(-n // stride) + 2, least) for n in shape)
    field = ndimage.gaussian_filter(
        rng.standard_normal(small, dtype=np.float32), sigma_vox / stride, mode="wrap"
    )
    field -= field.mean()
    field /= field.std()
    x, y, z = shape
    coarse = np.diag([stride, stride, stride, 1.0])
    return geometry.resample_to(field, coarse, Grid((x, y, z), np.eye(4)), order=1)


def _inside(distance: NDArray[np.floating]) -> Field:
    """Share of a voxel with negative distance (mm), for edges that are flat over a voxel."""
    return np.clip(0.5 - distance, 0, 1).astype(np.float32)


def _coordinates(shape: tuple[int, ...], rng: np.random.Generator) -> list[Field]:
    """World x, y, z in mm at each voxel, gently bent so that no two heads are alike."""
    axes = [np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in shape]
    grid = np.meshgrid(*axes, indexing="ij")
    return [(axis + 1.6 * smooth_noise(shape, 16, rng)).astype(np.float32) for axis in grid]


def _depth_in_head(
    x: Field,
    y: Field,
    z: Field,
    half: Sequence[float],
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> Field:
    """About the mm below the skin: an egg, wider behind, flatter below, with a bumpy surface."""
    wide = half[0] * (1 - 0.09 * np.clip(y / half[1], -1, 1))
    radius = np.sqrt((x / wide) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2)
    below = (1 - radius) * (sum(half) / 3) + 0.35 * smooth_noise(shape, 9, rng)
    return below.astype(np.float32, copy=False)


def _distance_to_folds(shape: tuple[int, ...], sigma_vox: float, rng: np.random.Generator) -> Field:
    """About the mm to the nearest zero of a random field: the walls of sulci."""
    field = smooth_noise(shape, sigma_vox, rng)
    steep = sum(step**2 for step in np.gradient(field))
    return (np.abs(field) / np.sqrt(steep + 0.02 / sigma_vox**2)).astype(np.float32)


def _ellipsoid(
    x: Field, y: Field, z: Field, centre: tuple[float, ...], half: tuple[float, ...]
) -> Field:
    """About the signed mm to an ellipsoid, negative inside."""
    radius = np.sqrt(
        sum(((axis - c) / h) ** 2 for axis, c, h in zip((x, y, z), centre, half)) + 1e-6
    )
    return ((radius - 1) * min(half)).astype(np.float32, copy=False)


def _ventricles(
    x: Field, y: Field, z: Field, half: Sequence[float], rng: np.random.Generator
) -> Field:
    """Signed mm to the lateral ventricles (two bent horns a side) and the third."""
    a, b, c = (mm / usual for mm, usual in zip(half, (50, 58, 43)))
    swollen = float(rng.uniform(0.8, 1.35))
    lean = float(rng.normal(0, 0.6))
    out = _ellipsoid(x, y, z, (0, -2 * b, -3 * c), (1.2 * swollen * a, 9 * b, 7 * c))
    bent_z = z - 6 * c + 0.010 * y**2 / b
    side = np.abs(x + lean) - 3.5 * a - 0.010 * y**2 / b
    body = _ellipsoid(
        side, y, bent_z, (2.2 * a, -1 * b, 0), (3.0 * swollen * a, 24 * b, 4.6 * swollen**0.5 * c)
    )
    horn = _ellipsoid(np.abs(x), y, z, (17 * a, -19 * b, -1 * c), (2.6 * swollen * a, 7 * b, 8 * c))
    return np.minimum(np.minimum(out, body), horn)


def _deep_grey(x: Field, y: Field, z: Field, half: Sequence[float]) -> Field:
    """Thalamus, putamen and caudate of both sides."""
    a, b, c = (mm / usual for mm, usual in zip(half, (50, 58, 43)))
    side = np.abs(x)
    nuclei = [
        ((8.5 * a, -7 * b, -2 * c), (6 * a, 10 * b, 6 * c)),
        ((20 * a, 4 * b, -3 * c), (4 * a, 12 * b, 7 * c)),
        ((11.5 * a, 15 * b, 2 * c), (3.2 * a, 7 * b, 6 * c)),
    ]
    return np.maximum.reduce([_inside(_ellipsoid(side, y, z, *nucleus)) for nucleus in nuclei])


def _add_tissue_texture(image: Field, white: Field, rng: np.random.Generator) -> None:
    shape = image.shape[1:]
    slow, quick = smooth_noise(shape, 7, rng), smooth_noise(shape, 1.2, rng)
    for channel, sign in enumerate((1, -1)):
        image[channel] *= 1 + 0.012 * quick
        image[channel] += sign * 2.2 * slow * white  # normal white matter is uneven


def _add_ventricle_caps(image: Field, ventricles: Field, white: Field) -> None:
    """The even bright seam that healthy ventricles have in FLAIR: bright, and no lesion."""
    seam = np.exp(-(((ventricles - 0.9) / 0.8) ** 2)) * white
    image[0] += 15 * seam
    image[1] -= 7 * seam


def _add_marrow(
    image: Field, depth: Field, scalp: float, skull: float, rng: np.random.Generator
) -> None:
    middle = (scalp + skull) / 2
    share = np.exp(-(((depth - middle) / 1.0) ** 2))
    share *= np.clip(0.6 + 0.5 * smooth_noise(depth.shape, 6, rng), 0, 1)
    for channel, bright in enumerate((38, 75)):
        image[channel] += bright * share
