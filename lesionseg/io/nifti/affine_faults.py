"""What keeps an affine from placing voxels in the world, whatever format it came in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_SHEAR = 1e-3  # cosine between two axes
SMALLEST_VOXEL, LARGEST_VOXEL = 1e-6, 1e6  # in the file's unit: beyond, a header is garbled


def affine_fault(rows: NDArray[np.float64]) -> str | None:
    """What is wrong with the (3, 4) rows of an affine, as the end of a sentence; None: nothing."""
    if not np.isfinite(rows).all():
        return "is not finite"
    sizes = np.sqrt((rows[:, :3] ** 2).sum(axis=0))
    if sizes.min() < SMALLEST_VOXEL or sizes.max() > LARGEST_VOXEL:
        return f"has voxels of {by_sizes(sizes)}"
    axes = rows[:, :3] / sizes
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    return f"is sheared by {shear:.3g}" if shear > MAX_SHEAR else None


def by_sizes(sizes: NDArray[np.float64]) -> str:
    """Three sizes as text, like 0.5x0.7x3."""
    return "x".join(f"{size:.4g}" for size in sizes)
