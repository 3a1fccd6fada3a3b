"""How many small lesions a sample of scans would lose at each candidate in-plane spacing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.lesion_kinds import LesionKinds
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.plan import SMALL_MM, SpacingLosses
from lesionseg.reading.carrying import carry_ids, lost_by_halves
from lesionseg.structures import Affine, Grid

MAX_SCANS = 8
MAX_LESIONS = 150  # a scan, the smallest


def hardest_cases(fingerprints: Sequence[CaseFingerprint]) -> list[str]:
    """The scans with the most lesions below 5 mm, at most MAX_SCANS."""
    below = np.pi / 6 * SMALL_MM**3
    small = {one.case: int((one.lesion_volumes_mm3 < below).sum()) for one in fingerprints}
    ranked = sorted((case for case in small if small[case]), key=lambda case: (-small[case], case))
    return ranked[:MAX_SCANS]


def scan_losses(
    ids: NDArray[np.int32], kinds: LesionKinds, affine: Affine, spacing_mm: float
) -> tuple[int, int, int]:
    """Of the smallest lesions of a scan at a spacing: how many were tried, vanish, and are thin.

    Thin: no voxel is left when the lesion is cut at one half; preprocessing keeps its nearest one,
    where it can. On the whole scan's grid; after the crop the grid may be shifted by less than a
    voxel.
    """
    tried = vanished = thin = 0
    for layer in kinds.layers(ids):
        found = _layer_losses(layer, affine, spacing_mm)
        tried, vanished, thin = (a + b for a, b in zip((tried, vanished, thin), found))
    return tried, vanished, thin


def _layer_losses(
    ids: NDArray[np.int32], affine: Affine, spacing_mm: float
) -> tuple[int, int, int]:
    counts = np.bincount(ids[ids > 0])
    lesions = sorted(np.flatnonzero(counts).tolist(), key=lambda lesion: counts[lesion])
    lesions = lesions[:MAX_LESIONS]
    slab_axis, _, _ = geometry.slab_axes(geometry.spacing(affine))
    x, y, z = ids.shape
    grid = geometry.in_plane_grid(Grid((x, y, z), affine), spacing_mm, slab_axis)
    thin = lost_by_halves(ids, affine, grid, lesions)
    left = set(np.unique(carry_ids(ids, affine, grid)).tolist()) if thin else set()
    vanished = [lesion for lesion in thin if lesion not in left]
    return len(lesions), len(vanished), len(thin) - len(vanished)


def try_spacings(
    candidates: Sequence[float], try_one: Callable[[float], Iterable[tuple[int, int, int]]]
) -> SpacingLosses:
    """Losses at each candidate, coarsest first, up to the first that loses none.

    try_one: what `scan_losses` gives at a spacing, for each scan of the sample.
    """
    num_lesions = 0
    num_lost: dict[float, int] = {}
    num_thin: dict[float, int] = {}
    for spacing_mm in candidates:
        found = list(try_one(spacing_mm))
        num_lesions = sum(tried for tried, _, _ in found)
        num_lost[spacing_mm] = sum(lost for _, lost, _ in found)
        num_thin[spacing_mm] = sum(thin for _, _, thin in found)
        if not num_lost[spacing_mm]:
            break
    return SpacingLosses(num_lesions, num_lost, num_thin)
