"""Blocks, strides and kernels of a 3D network, by the rules of nnU-Net (Isensee et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lesionseg.planning.anchor_plan import PLANNED
from lesionseg.planning.plan import Plan

MOST_VOXELS = 400_000  # of a block of one channel: a step of two blocks takes seconds on a CPU
LONG = 2.0  # voxels so many times as long as the shortest are neither halved nor convolved over
FEWEST = 8  # voxels along an axis that is halved

Steps = list[list[int]]


def with_blocks(settings: Mapping[str, Any], plan: Plan, window_px: int) -> dict[str, Any]:
    """Settings of a 3D network with what is `planned` filled in. window_px: side of a training
    window."""
    filled = dict(settings)
    in_plane = plan.in_plane_spacing_mm
    slab = math.sqrt(math.prod(plan.scans.slab_mm)) or in_plane  # 0 where no scan was seen
    num_levels = len(filled["channels"])
    if filled["block_slices"] == PLANNED:
        depth = min(window_px * in_plane / slab, MOST_VOXELS / window_px**2)
        filled["block_slices"] = max(FEWEST, FEWEST * round(depth / FEWEST))
    if filled["window_px"] == PLANNED:
        filled["window_px"] = window_px
    side = int(filled["window_px"])
    shape = (int(filled["block_slices"]), side, side)
    kernels, strides = planned_levels(shape, (slab, in_plane, in_plane), num_levels)
    if filled["kernels"] == PLANNED:
        filled["kernels"] = kernels
    if filled["strides"] == PLANNED:
        filled["strides"] = strides
    return filled


def planned_levels(
    shape: tuple[int, ...], spacing_mm: tuple[float, ...], num_levels: int
) -> tuple[Steps, Steps]:
    """Kernels and strides of each level, finest first. shape: of a block, in voxels.

    Voxels are compared with the shortest along the axes that can still be halved; an axis that is
    convolved over stays so.
    """
    size, spacing = list(shape), list(spacing_mm)
    kernels: Steps = []
    strides: Steps = [[1, 1, 1]]
    for level in range(num_levels):
        if level:
            can = [n >= FEWEST and n % 2 == 0 for n in size]
            shortest = min((mm for mm, yes in zip(spacing, can) if yes), default=0.0)
            step = [2 if yes and mm < LONG * shortest else 1 for mm, yes in zip(spacing, can)]
            strides.append(step)
            size = [n // by for n, by in zip(size, step)]
            spacing = [mm * by for mm, by in zip(spacing, step)]
        before = kernels[-1] if kernels else [1, 1, 1]
        kernels.append(
            [max(old, 3 if mm < LONG * min(spacing) else 1) for mm, old in zip(spacing, before)]
        )
    return kernels, strides
