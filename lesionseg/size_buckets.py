"""Size buckets: half-open ranges of lesion volume, named by the equal-volume sphere's diameter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesionseg.settings.defaults import EDGES_MM
from lesionseg.slack import reaches

FOUR_NAMES = ("tiny", "small", "medium", "large")
ALL_SIZES = "all"
SMALL_SIZES = "small_sizes"  # under SMALL_MM, whatever the edges
SMALL_MM = 5.0


@dataclass(frozen=True)
class SizeBuckets:
    """`edges_mm` ascending diameters; bucket i is [edges_mm[i - 1], edges_mm[i]), without gaps."""

    edges_mm: tuple[float, ...]
    names: tuple[str, ...]

    @classmethod
    def from_edges(cls, edges_mm: Sequence[float] = EDGES_MM) -> SizeBuckets:
        """Buckets between the given diameters in mm; three edges: tiny, small, medium, large.

        Raises ValueError where the edges are not finite, positive and strictly ascending.
        """
        edges = tuple(float(edge) for edge in edges_mm)
        ascending = all(a < b for a, b in itertools.pairwise(edges))
        if not edges or not np.isfinite(edges).all() or edges[0] <= 0 or not ascending:
            raise ValueError(
                f"edges_mm is {edges}; it must be positive and strictly ascending, like (3, 5, 10)"
            )
        if len(edges) == 3:
            return cls(edges, FOUR_NAMES)
        inner = (f"{a:g}-{b:g} mm" for a, b in itertools.pairwise(edges))
        return cls(edges, (f"<{edges[0]:g} mm", *inner, f">={edges[-1]:g} mm"))

    @property
    def edges_mm3(self) -> NDArray[np.float64]:
        """Volumes of the spheres with the diameters `edges_mm`."""
        return np.pi / 6 * np.asarray(self.edges_mm) ** 3

    def index(self, volume_mm3: ArrayLike) -> NDArray[np.int64]:
        """Bucket number of each volume; a volume that equals an edge is in the upper bucket."""
        return reaches(np.asarray(volume_mm3)[..., None], self.edges_mm3).sum(axis=-1)

    def number(self, volume_mm3: float) -> int:
        """Bucket number of one volume."""
        return int(self.index(volume_mm3))

    def assign(self, volume_mm3: ArrayLike) -> NDArray[np.object_]:
        """Bucket name of each volume."""
        return np.asarray(self.names, dtype=object)[self.index(volume_mm3)]

    def volume_range_mm3(self, name: str) -> tuple[float, float]:
        """[low, high) of a bucket, of all sizes, or of SMALL_SIZES."""
        if name == ALL_SIZES:
            return 0.0, np.inf
        if name == SMALL_SIZES:
            return 0.0, np.pi / 6 * SMALL_MM**3
        limits = [0.0, *self.edges_mm3, np.inf]
        i = self.names.index(name)
        return float(limits[i]), float(limits[i + 1])

    @property
    def ranges(self) -> list[str]:
        """The ranges of all buckets in words, smallest first."""
        return [self.describe(name) for name in self.names]

    def describe(self, name: str) -> str:
        """The range of a bucket in words, for a table: "3 to 5 mm"."""
        if name == ALL_SIZES:
            return "all sizes"
        if name == SMALL_SIZES:
            return f"under {SMALL_MM:g} mm"
        i = self.names.index(name)
        if i == 0:
            return f"under {self.edges_mm[0]:g} mm"
        if i == len(self.edges_mm):
            return f"{self.edges_mm[-1]:g} mm and more"
        return f"{self.edges_mm[i - 1]:g} to {self.edges_mm[i]:g} mm"


def diameter_mm(volume_mm3: ArrayLike) -> NDArray[np.float64]:
    """Diameter of the sphere of equal volume."""
    return np.cbrt(np.asarray(volume_mm3, dtype=np.float64) * 6 / np.pi)
