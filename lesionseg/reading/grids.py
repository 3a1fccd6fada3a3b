"""Files of one scan on one grid: rounding is mended, anything more is refused, or resampled."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Affine, Grid, Volume

GRID_SLACK_VOX = 0.01  # grids whose corners are nearer than this are the same
RESAMPLING_BYTES = 16  # of each voxel of both grids, at the most while one is put on the other
EXACT_VOX = 1e-3  # and nearer than this no note is made: affines are stored with 32 bits


def onto_grid(
    volume: Volume,
    grid: Grid,
    case: str,
    what: str,
    *,
    fix_grid: bool = False,
    key: str = "data.fix_grid",
    any_form: bool = False,
    outside: float = np.nan,
    most_uncovered: float = 1.0,
) -> tuple[Volume, float]:
    """An image on `grid`, and by how many mm it was resampled (0: it was there).

    One that does not lie there (`lies_on`) is interpolated linearly where `fix_grid` is set, with a
    note; what it does not cover is `outside`. Else CaseError, with both grids and the largest
    distance, naming the key that asks for it; also where it leaves more than a share
    `most_uncovered` of the grid uncovered.
    """
    there = lies_on(volume, grid, what, any_form=any_form, either=any_form)
    if there is not None:
        return there, 0.0
    far = geometry.corner_distance(grid, volume.grid)
    if not fix_grid:
        raise other_grid(volume, grid, case, what, key)
    refuse_beyond_resampling(volume.array, grid, case, what)
    array = geometry.resample_to(volume.array, volume.affine, grid, order=1, fill=np.nan)
    covered = _covered(volume, grid)
    if 1 - covered > most_uncovered:
        raise CaseError(
            case,
            f"{what} covers {100 * covered:.0f} % of the scan; want at least "
            f"{100 * (1 - most_uncovered):.0f} %, or set data.uncovered to the share that may be "
            "missing",
        )
    note = f"{what} resampled; {how_apart(volume.grid, grid, far)}"
    if covered < 1:
        note += f"; it covers {100 * covered:.3g} % of the scan, the rest is taken for air"
    if not np.isnan(outside):
        array = np.where(np.isnan(array), np.float32(outside), array)
    notes = (*volume.notes, note)
    return Volume(array, grid.affine, volume.forms, notes), max(far, 1e-9)


def lies_on(
    volume: Volume, grid: Grid, what: str, *, any_form: bool = False, either: bool = False
) -> Volume | None:
    """The volume with the grid's affine, where its voxels are the grid's; else None.

    Up to 0.01 voxel at every corner is rounding, mended with a note. Where the two lie there by the
    form that is taken and apart by the other, that is noted: the images may have been moved apart.
    any_form: of what was made from the scan's own voxels, like a mask. A header may place them by
    two forms that differ, and the tool that wrote it kept one: where the shapes are equal and this
    one is either of the grid's, the voxels are taken as they are, with a note. A volume that has
    two forms itself is of another image, which may share the scanner's form and yet have been
    moved. either: of two masks either may be the one that kept one form.
    """
    if volume.array.shape != grid.shape:
        return None
    smallest = min(geometry.spacing(grid.affine))
    slack = GRID_SLACK_VOX * smallest
    far = geometry.corner_distance(grid, volume.grid)
    notes = list(volume.notes)
    if far <= slack:
        if far > EXACT_VOX * smallest:
            notes.append(f"{what} grid is {far:.2g} mm off by rounding; mended")
        if (apart := _other_forms_apart(volume.grid, grid)) > slack:
            notes.append(
                f"{what} lies on the scan's voxels by one form of its header and {apart:.3g} mm "
                "away by the other (sform, qform), as of an image that was moved; taken voxel for "
                "voxel"
            )
    elif any_form and (
        _has_its_form(volume.grid, grid, slack)
        or (either and _has_its_form(grid, volume.grid, slack))
    ):
        notes.append(
            f"{what} lies {far:.3g} mm away by one form of the header and on the scan's voxels by "
            "another (sform, qform); taken voxel for voxel"
        )
    else:
        return None
    return dataclasses.replace(
        volume, affine=grid.affine, other_affine=grid.other, notes=tuple(notes)
    )


def refuse_beyond_resampling(array: NDArray[Any], grid: Grid, case: str, what: str) -> None:
    """Raise CaseError where putting an array (X, Y, Z) on a grid takes more memory than is free."""
    wanted = RESAMPLING_BYTES * (array.size + math.prod(grid.shape))
    shape = "x".join(map(str, grid.shape))
    refuse_beyond_memory(wanted, f"{what}, put on a grid of {shape} voxels,", case)


def differ_by_whole_voxels(affine: Affine, grid: Grid) -> bool:
    """Whether every voxel of the grid is one of the voxels that the affine places, but for
    rounding: permuted, flipped or shifted by whole voxels."""
    to_source = np.asarray(np.linalg.solve(affine, grid.affine), np.float64)
    whole = np.rint(to_source)
    if not (np.abs(whole[:3, :3]).sum(axis=0) == 1).all():
        return False
    far = geometry.corner_distance(Grid(grid.shape, to_source), Grid(grid.shape, whole))
    return far <= EXACT_VOX


def other_grid(volume: Volume, grid: Grid, case: str, what: str, key: str) -> CaseError:
    """The error of a volume on another grid."""
    far = geometry.corner_distance(grid, volume.grid)
    allowed = GRID_SLACK_VOX * min(geometry.spacing(grid.affine))
    return CaseError(
        case,
        f"{what} grid differs: got {_describe(volume.grid)}, want {_describe(grid)}; corners "
        f"up to {far:.4g} mm apart, at most {allowed:.3g} allowed; resample "
        f"the {what}, or set {key}=true",
    )


def how_apart(own: Grid, other: Grid, far: float) -> str:
    """How a file's grid differs from another, `far` mm away at its corners, in words."""
    if far > EXACT_VOX * min(geometry.spacing(other.affine)):
        return f"its corners were up to {far:.3g} mm away"
    return f"its grid has {_voxels(own)}, the other {_voxels(other)}"


def _has_its_form(one: Grid, other: Grid, slack_mm: float) -> bool:
    """Whether a grid of one form lies where the other one does by its second form."""
    if one.other is not None or other.other is None:
        return False
    return geometry.corner_distance(one, Grid(other.shape, other.other)) <= slack_mm


def _other_forms_apart(one: Grid, other: Grid) -> float:
    """By how many mm two grids of two forms each differ by their second; 0 where one has none."""
    if one.other is None or other.other is None:
        return 0.0
    return geometry.corner_distance(Grid(one.shape, one.other), Grid(other.shape, other.other))


def _covered(volume: Volume, grid: Grid) -> float:
    """Share of the grid's voxels that lie in the volume's field of view."""
    whole = np.ones(volume.array.shape, np.int8)
    inside = geometry.resample_to(whole, volume.affine, grid, order=0, fill=0)
    return float(np.count_nonzero(inside) / inside.size)


def _describe(grid: Grid) -> str:
    rows = "; ".join(" ".join(f"{value:.5g}" for value in row) for row in grid.affine[:3])
    return f"{_voxels(grid)} {geometry.axcodes(grid.affine)} at [{rows}]"


def _voxels(grid: Grid) -> str:
    shape = "x".join(map(str, grid.shape))
    steps = "x".join(f"{step:.4g}" for step in geometry.spacing(grid.affine))
    return f"{shape} voxels of {steps} mm"
