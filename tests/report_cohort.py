"""Lesion masks made of boxes, and files as a user would have them."""

import csv
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (40, 40, 24)
AFFINE = np.diag([-1.0, 1.0, 2.0, 1.0]) + np.array([[0, 0, 0, 20]] + [[0, 0, 0, 0]] * 3)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def lesions(seed: int, count: int = 9) -> np.ndarray:
    """Boxes of 1 to 5 voxels a side on a lattice, none touching."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, np.uint8)
    sites = [(x, y, z) for x in (3, 15, 27) for y in (3, 15, 27) for z in (2, 10, 17)]
    for x, y, z in generator.permutation(sites)[:count]:
        a, b, c = generator.integers(1, 6, 3)
        mask[x : x + a, y : y + b, z : z + c] = 1
    return mask


def worse(mask: np.ndarray, seed: int) -> np.ndarray:
    """Shifted by a voxel, a third cut away, and one false positive."""
    out = np.roll(mask, 1, axis=0)
    out[np.random.default_rng(seed).random(SHAPE) < 0.3] = 0
    out[36:38, 36:38, 20:22] = 1
    return out


def write_scores(path: Path, scores: dict[int, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "volume_mm3", "score"])
        rows.writerows((i, 1.0, s) for i, s in scores.items())
