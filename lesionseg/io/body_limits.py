"""What a scan of a body, or of a small animal, can be; beyond, a header is garbled.

Refused before anything is sized by it: a slice 10^9 mm away would ask for a grid of that size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesionseg.io.nifti.affine_faults import by_sizes

SMALLEST_MM, LARGEST_MM = 0.001, 50.0  # of a voxel, along each axis
LONGEST_MM = 10_000.0  # of a volume, along each axis
FARTHEST_MM = 100_000.0  # of the first voxel, from the origin of the world


def body_fault(shape: Sequence[int], affine: NDArray[np.float64]) -> str | None:
    """What no scan can have, as the end of a sentence; None: nothing.

    shape: voxels (X, Y, Z). affine: (4, 4), finite, to mm.
    """
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if sizes.min() < SMALLEST_MM * (1 - 1e-6) or sizes.max() > LARGEST_MM:
        return f"has voxels of {by_sizes(sizes)} mm; want {SMALLEST_MM:g} to {LARGEST_MM:g}"
    lengths = sizes * np.asarray(shape)
    if lengths.max() > LONGEST_MM:
        return f"is {by_sizes(lengths)} mm large; want at most {LONGEST_MM:g} along each axis"
    away = float(np.abs(affine[:3, 3]).max())
    if away > FARTHEST_MM:
        return f"lies {away:.4g} mm from the origin of the world; want at most {FARTHEST_MM:g}"
    return None
