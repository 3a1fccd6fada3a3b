"""Lesion ids from grid to grid without losing a lesion.

What a mask of another grid holds is counted on its own, before anything else is done with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.components import lesion_measures
from lesionseg.lesion_kinds import IGNORED, LesionKinds
from lesionseg.reading.grids import differ_by_whole_voxels, refuse_beyond_resampling
from lesionseg.reading.mask_values import distinct_values
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Affine, Grid
from lesionseg.wording import counted

LESION_BYTES = 90  # of each voxel of lesions: its place in both grids
NAMED = 5  # lesions outside that a note names


@dataclass(frozen=True, eq=False)
class Drawn:
    """The lesions of a mask as they are in its file. ids: (X, Y, Z) int32 on its own grid. shown:
    ids that lie in the scan's field of view, if only in part. outside: of the others, their centres
    in world RAS+ mm.
    """

    ids: NDArray[np.int32]
    affine: Affine
    shown: tuple[int, ...]
    outside: Mapping[int, tuple[float, float, float]]

    def of_class(self, kinds: LesionKinds, number: int) -> Drawn:
        """Those of one class alone."""
        return Drawn(
            kinds.of_class(self.ids, number),
            self.affine,
            tuple(lesion for lesion in self.shown if kinds.classes[lesion] == number),
            {i: place for i, place in self.outside.items() if kinds.classes[i] == number},
        )

    @property
    def note(self) -> str:
        """How many lesions were drawn and which of them the scan does not show, in words."""
        total = len(self.shown) + len(self.outside)
        words = f"{counted(total, 'lesion')} drawn"
        if not self.outside:
            return words
        places = [
            "(" + ", ".join(f"{mm:.0f}" for mm in place) + ")" for place in self.outside.values()
        ]
        more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
        return (
            f"{words}, {len(places)} of them outside the scan's field of view: at "
            f"{', '.join(places[:NAMED])}{more} mm"
        )


def refuse_beyond_carrying(array: NDArray[Any], grid: Grid, case: str, role: str) -> None:
    """Raise CaseError where carrying a mask (X, Y, Z) to a grid takes more memory than is free."""
    refuse_beyond_resampling(array, grid, case, role)
    wanted = LESION_BYTES * int(np.count_nonzero(array))
    refuse_beyond_memory(wanted, f"{role}, carried to the scan's grid,", case)


def lesions_out_of_view(ids: NDArray[np.int32], affine: Affine, grid: Grid) -> list[int]:
    """The lesions (X, Y, Z) of which a grid's field of view shows nothing."""
    places = np.argwhere(ids > 0)
    owners = ids[tuple(places.T)]
    to_grid = np.linalg.solve(grid.affine, affine)
    seen = in_view(places @ to_grid[:3, :3].T + to_grid[:3, 3], grid.shape)
    return sorted(set(np.unique(owners).tolist()) - set(np.unique(owners[seen]).tolist()))


def carry_lesions(
    ids: NDArray[np.int32], kinds: LesionKinds, affine: Affine, grid: Grid
) -> tuple[NDArray[np.int32], Drawn]:
    """Lesion ids (X, Y, Z) on another grid, and what they were on their own.

    Every lesion that lies in the grid's field of view, if only in part, keeps a voxel.
    """
    measures: dict[int, dict[str, float]] = {}
    hidden: list[int] = []
    for layer in kinds.layers(ids):
        measures |= lesion_measures(layer, affine)
        hidden += lesions_out_of_view(layer, affine, grid)
    centres = {
        lesion: (row["centroid_r_mm"], row["centroid_a_mm"], row["centroid_s_mm"])
        for lesion, row in ((lesion, measures[lesion]) for lesion in hidden)
    }
    shown = tuple(sorted(measures.keys() - centres.keys()))
    return carry_kinds(ids, kinds, affine, grid), Drawn(ids, affine, shown, centres)


def carry_ids(ids: NDArray[np.int32], affine: Affine, grid: Grid) -> NDArray[np.int32]:
    """Lesion ids (X, Y, Z) on another grid, where each lesion that has a voxel keeps at least one.

    Each lesion is interpolated alone and cut at one half, so that its outline does not depend on
    its neighbours; where two overlap, the larger value has the voxel. A lesion that would vanish
    keeps its nearest voxel, unless it lies outside the grid's field of view. What is ignored goes
    to the nearest voxels that no lesion has.
    """
    if differ_by_whole_voxels(affine, grid):
        return np.ascontiguousarray(geometry.resample_to(ids, affine, grid, order=0))
    boxes = ndimage.find_objects(ids)
    present = [(lesion, box) for lesion, box in enumerate(boxes, 1) if box is not None]
    out = np.zeros(grid.shape, np.int32)
    best = np.full(grid.shape, 0.5, np.float32)
    to_grid = np.linalg.solve(grid.affine, affine)
    for lesion, box in present:
        part, place = _alone(ids, affine, lesion, box, to_grid, grid)
        claims = part >= best[place]
        out[place][claims] = lesion
        best[place][claims] = np.nextafter(part[claims], np.float32(2))
    left = distinct_values(out)
    for lesion, box in present:
        if lesion not in left:
            places = np.argwhere(ids[box] == lesion) + [side.start for side in box]
            _keep_nearest(out, lesion, places, to_grid)
    if (ids == IGNORED).any():
        unjudged = geometry.resample_to((ids == IGNORED).astype(np.uint8), affine, grid, order=0)
        out[(unjudged > 0) & (out == 0)] = IGNORED
    return out


def carry_kinds(
    ids: NDArray[np.int32], kinds: LesionKinds, affine: Affine, grid: Grid
) -> NDArray[np.int32]:
    """As `carry_ids`, of lesions that may lie inside one another: each is carried whole, the
    innermost has the voxel."""
    if not kinds.nested:
        return carry_ids(ids, affine, grid)
    out = np.zeros(grid.shape, np.int32)
    for layer in kinds.layers(ids):
        carried = carry_ids(layer, affine, grid)
        np.copyto(out, carried, where=carried > 0)
    _bring_back_covered(out, ids, kinds, np.linalg.solve(grid.affine, affine))
    unjudged = carry_ids(np.where(ids == IGNORED, IGNORED, 0).astype(np.int32), affine, grid)
    np.copyto(out, unjudged, where=out == 0)
    return out


def _bring_back_covered(
    out: NDArray[np.int32], ids: NDArray[np.int32], kinds: LesionKinds, to_grid: NDArray[Any]
) -> None:
    """Give a voxel to each lesion whose only ones were taken by a lesion that lies in another."""
    for layer in kinds.layers(ids):
        left = {int(i) for part in kinds.layers(out) for i in np.unique(part)}
        for lesion in sorted(set(np.unique(layer).tolist()) - left):
            _keep_nearest(out, lesion, np.argwhere(layer == lesion), to_grid)


def in_view(places: NDArray[Any], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Which places (N, 3), in voxels of a grid, lie in its field of view."""
    low, high = -0.5 - geometry.EXACT_VOX, np.asarray(shape) - 0.5 + geometry.EXACT_VOX
    return np.asarray(((places >= low) & (places <= high)).all(axis=1))


def lost_by_halves(
    ids: NDArray[np.int32], affine: Affine, grid: Grid, lesions: Sequence[int]
) -> list[int]:
    """Which of these lesions have no voxel on a grid when each is cut at one half.

    `carry_ids` keeps those too, as their nearest voxel: the lesion is counted, but its shape is
    lost.
    """
    boxes, to_grid = ndimage.find_objects(ids), np.linalg.solve(grid.affine, affine)
    return [
        lesion
        for lesion in lesions
        if _alone(ids, affine, lesion, boxes[lesion - 1], to_grid, grid)[0].max() < 0.5
    ]


def _alone(
    ids: NDArray[np.int32],
    affine: Affine,
    lesion: int,
    box: tuple[slice, ...],
    to_grid: NDArray[np.floating[Any]],
    grid: Grid,
) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """One lesion interpolated to the part of the grid that it can reach, and where that is."""
    window, place = _window(box, to_grid, grid)
    source, source_affine = _with_border(ids[box] == lesion, affine, box)
    return geometry.resample_to(source, source_affine, window, order=1), place


def _window(
    box: tuple[slice, ...], to_grid: NDArray[np.floating[Any]], grid: Grid
) -> tuple[Grid, tuple[slice, ...]]:
    """The part of `grid` that a box of source voxels can reach, as a grid and as slices."""
    corners = np.array(list(itertools.product(*((side.start - 1, side.stop) for side in box))))
    ends = corners @ to_grid[:3, :3].T + to_grid[:3, 3]
    low = np.clip(np.floor(ends.min(axis=0)).astype(int) - 1, 0, np.array(grid.shape) - 1)
    high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 2, low + 1, grid.shape)
    affine = np.array(grid.affine, np.float64)
    affine[:3, 3] += affine[:3, :3] @ low
    x, y, z = (int(n) for n in high - low)
    return Grid((x, y, z), affine), tuple(slice(a, b) for a, b in zip(low, high))


def _with_border(
    lesion: NDArray[np.bool_], affine: Affine, box: tuple[slice, ...]
) -> tuple[NDArray[np.float32], Affine]:
    """A lesion's own voxels with one of background on all sides, so that its edge falls off."""
    start = np.array([side.start - 1 for side in box])
    moved = np.array(affine, np.float64)
    moved[:3, 3] += moved[:3, :3] @ start
    return np.pad(lesion, 1).astype(np.float32), moved


def _keep_nearest(
    out: NDArray[np.int32], lesion: int, places: NDArray[Any], to_grid: NDArray[Any]
) -> None:
    """Give a lesion the voxel nearest to the middle of what the grid shows of it that no other
    lesion needs; none where it shows nothing."""
    there = places @ to_grid[:3, :3].T + to_grid[:3, 3]
    there = there[in_view(there, out.shape)]
    if not len(there):
        return
    centre = there.mean(axis=0)
    middle = np.rint(centre).astype(int)
    around = np.argwhere(np.ones((5, 5, 5), bool)) - 2 + middle
    around = around[((around >= 0) & (around < out.shape)).all(axis=1)]
    for place in sorted(
        map(tuple, around), key=lambda p: float(((np.array(p) - centre) ** 2).sum())
    ):
        holder = out[place]
        if holder == 0 or np.count_nonzero(out == holder) > 1:
            out[place] = lesion
            return
