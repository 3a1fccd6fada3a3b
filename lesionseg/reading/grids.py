"""Files of one scan on one grid: rounding is mended, anything more is refused, or resampled."""

from __future__ import annotations

import dataclasses

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.structures import Grid, Volume

GRID_SLACK_VOX = 0.01  # grids whose corners are nearer than this are the same
EXACT_VOX = 1e-3  # and nearer than this no note is made: affines are stored with 32 bits


def onto_grid(
    volume: Volume,
    grid: Grid,
    case: str,
    what: str,
    *,
    fix_grid: bool = False,
    order: int = 0,
    key: str = "data.fix_grid",
) -> tuple[Volume, float]:
    """The volume on `grid`, and by how many mm it was resampled (0: it was there).

    Up to 0.01 voxel at every corner is rounding: the volume is taken to lie on `grid`, with a note.
    More is resampled where `fix_grid` is set, nearest voxel or, for order 1, linearly, with a note;
    else CaseError, with both grids and the largest distance, naming the key that asks for it.
    """
    far = geometry.corner_distance(grid, volume.grid)
    smallest = min(geometry.spacing(grid.affine))
    if volume.array.shape == grid.shape and far <= GRID_SLACK_VOX * smallest:
        if far <= EXACT_VOX * smallest:
            return dataclasses.replace(volume, affine=grid.affine), 0.0
        note = f"{what} grid is {far:.2g} mm off by rounding; mended"
        return dataclasses.replace(volume, affine=grid.affine, notes=(*volume.notes, note)), 0.0
    if not fix_grid:
        raise CaseError(
            case,
            f"{what} grid differs: got {_describe(volume.grid)}, want {_describe(grid)}; corners "
            f"up to {far:.4g} mm apart, at most {GRID_SLACK_VOX * smallest:.3g} allowed; resample "
            f"the {what}, or set {key}=true",
        )
    array = geometry.resample_to(volume.array, volume.affine, grid, order=order)
    note = f"{what} resampled; its corners were up to {far:.3g} mm away"
    return Volume(array, grid.affine, volume.forms, (*volume.notes, note)), max(far, 1e-9)


def _describe(grid: Grid) -> str:
    shape = "x".join(map(str, grid.shape))
    steps = "x".join(f"{step:.4g}" for step in geometry.spacing(grid.affine))
    rows = "; ".join(" ".join(f"{value:.5g}" for value in row) for row in grid.affine[:3])
    return f"{shape} voxels of {steps} mm {geometry.axcodes(grid.affine)} at [{rows}]"
