"""Measured lengths, volumes and ratios compared: what is equal on paper counts as equal.

NIfTI stores affines as float32: a voxel of 1 mm on an oblique grid is read as 0.99999994 mm long,
and a shift by one voxel must be within 1 mm all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

SLACK = 1e-4  # of a voxel's shortest side for lengths, of the limit for volumes
RATIO_SLACK = 1e-9  # of ratios of counts, which only rounding in float64 moves


def slack_mm(spacing_mm: Sequence[float] | NDArray[np.float64]) -> float:
    """Lengths on a grid of this spacing that differ by no more than this are equal."""
    return SLACK * float(min(spacing_mm))


def reaches(volume_mm3: ArrayLike, limit_mm3: ArrayLike) -> NDArray[np.bool_]:
    """Whether each volume is at least the limit, or equal to it on paper."""
    return np.asarray(volume_mm3) >= np.asarray(limit_mm3) * (1 - SLACK)


def exceeds(volume_mm3: ArrayLike, limit_mm3: ArrayLike) -> NDArray[np.bool_]:
    """Whether each volume is above the limit, and not equal to it on paper."""
    return np.asarray(volume_mm3) > np.asarray(limit_mm3) * (1 + SLACK)
