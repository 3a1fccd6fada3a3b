"""What becomes of each reference lesion on its way to the networks and back, step by step.

Every step is the one that preprocessing takes, on the lesion ids of the case itself; the result is
always compared with the lesions of the file.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import cc3d
import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.components import label_components, pieces_in_slice
from lesionseg.lesion_kinds import LesionKinds, of_one_class
from lesionseg.planning.box_coding import CELLS, decode_piece, encode_piece
from lesionseg.reading.carrying import Drawn, carry_ids
from lesionseg.reading.lesion_ids import lesion_volumes
from lesionseg.slabs.slab import SlabRule, read_slab
from lesionseg.structures import Affine, Case, Grid

STEPS = ("scan grid", "reorient", "crop", "resample", "slab", "box target", "home")
OUTCOMES = ("vanished", "merged", "split", "changed")
CHANGE = 0.2  # of a lesion's volume
NEIGHBOURS = sorted(itertools.product((-1, 0, 1), repeat=3), key=lambda step: np.abs(step).sum())
MARGIN = 3  # voxels around the lesions: more than any interpolation reaches


@dataclass(frozen=True)
class LesionAudit:
    """Of one case. volumes_mm3: by lesion id, in the file. steps: by step and outcome, the ids.

    vanished: no voxel is left. merged: touches another lesion. split: in several pieces. changed:
    its volume differs by more than 20 %. num_outside: further lesions of the file, outside the
    scan's field of view. classes: the number of each lesion's class.
    """

    volumes_mm3: Mapping[int, float] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    num_outside: int = 0
    classes: Mapping[int, int] = field(default_factory=dict)

    @property
    def lost(self) -> tuple[int, ...]:
        """Lesions that vanish at any step."""
        found = {lesion for outcome in self.steps.values() for lesion in outcome["vanished"]}
        return tuple(sorted(found))


def audit_case(
    ids: NDArray[np.int32],
    kinds: LesionKinds,
    affine: Affine,
    case: Case,
    cells: int = CELLS,
    drawn: Drawn | None = None,
) -> LesionAudit:
    """Follow every lesion of `ids`, canonical and on the scan's own voxels, through its case.

    ids: (X, Y, Z) int32 as labelled in the file, kinds: class of each. case: as made from them, in
    memory. cells: a side of the detector's masks. drawn: the lesions of the file, where it lies on
    another grid. Where lesions lie inside one another each class is followed alone.
    """
    if not kinds.nested:
        return _audit_apart(np.maximum(ids, 0), kinds, affine, case, cells, drawn)
    parts = [
        _audit_apart(
            kinds.of_class(ids, number),
            kinds,
            affine,
            dataclasses.replace(case, lesion_ids=kinds.of_class(case.lesion_ids[:], number)),  # type: ignore[index]
            cells,
            None if drawn is None else drawn.of_class(kinds, number),
        )
        for number in kinds.numbers
    ]
    return LesionAudit(
        {lesion: mm3 for part in parts for lesion, mm3 in part.volumes_mm3.items()},
        {
            step: {
                outcome: tuple(sorted(i for part in parts for i in part.steps[step][outcome]))
                for outcome in OUTCOMES
            }
            for step in STEPS
        },
        sum(part.num_outside for part in parts),
        {lesion: number for part in parts for lesion, number in part.classes.items()},
    )


def _audit_apart(
    ids: NDArray[np.int32],
    kinds: LesionKinds,
    affine: Affine,
    case: Case,
    cells: int,
    drawn: Drawn | None,
) -> LesionAudit:
    """As `audit_case`, of lesions none of which lies inside another."""
    own, own_affine = (ids, affine) if drawn is None else (drawn.ids, drawn.affine)
    volumes = lesion_volumes(own, of_one_class(own), own_affine)
    num_outside = 0 if drawn is None else len(drawn.outside)
    if drawn is not None:
        volumes = {lesion: volumes[lesion] for lesion in drawn.shown}
    if not volumes:
        nothing = {step: dict.fromkeys(OUTCOMES, ()) for step in STEPS}
        return LesionAudit({}, nothing, num_outside)
    in_file = step_outcome(volumes, own, geometry.voxel_volume(own_affine))
    stored = np.maximum(np.asarray(case.lesion_ids), 0)
    # changes happen only near lesions, so only a frame around them is compared
    ids, affine = _framed(ids, affine) if ids.any() else (ids, affine)
    cropped = _cropped(ids, affine, Grid(case.shape, case.affine))
    if stored.any():
        stored, where = _framed(stored, case.affine)
    else:
        where = case.affine
    x, y, z = ids.shape
    slabs = _through_slabs(stored, where, case.slab_axis)
    coded = _box_coded(slabs, case.slab_axis, cells)
    on_the_way = {
        "scan grid": (ids, affine),
        "reorient": (ids, affine),
        "crop": (cropped, affine),
        "resample": (stored, where),
        "slab": (slabs, where),
        "box target": (coded, where),
        "home": (_on_original_grid(coded, where, Grid((x, y, z), affine)), affine),
    }
    steps = {
        step: step_outcome(volumes, arrived, geometry.voxel_volume(grid))
        for step, (arrived, grid) in on_the_way.items()
    }
    return LesionAudit(
        volumes,
        {step: _less(found, in_file) for step, found in steps.items()},
        num_outside,
        {lesion: int(kinds.classes[lesion]) for lesion in volumes},
    )


def _less(
    found: Mapping[str, tuple[int, ...]], before: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Outcomes without the lesions that have them, like touching another, in the file itself."""
    own = {"merged": set(before["merged"]), "split": set(before["split"])}
    return {
        outcome: tuple(lesion for lesion in lesions if lesion not in own.get(outcome, ()))
        for outcome, lesions in found.items()
    }


def step_outcome(
    volumes_mm3: Mapping[int, float], ids: NDArray[np.int32], voxel_mm3: float
) -> dict[str, tuple[int, ...]]:
    """By outcome, the lesions of the reference that have it in `ids` (X, Y, Z)."""
    inside = ids > 0
    if not inside.any():
        return {"vanished": tuple(volumes_mm3), **dict.fromkeys(OUTCOMES[1:], ())}
    own_ids = ids[inside]
    counts = np.bincount(own_ids, minlength=max(volumes_mm3) + 1)
    pieces, num = cc3d.connected_components(ids, connectivity=26, return_N=True)
    blobs = label_components(inside)
    places = pieces[inside]
    owner, blob = np.zeros(num + 1, np.int64), np.zeros(num + 1, np.int64)
    owner[places], blob[places] = own_ids, blobs[inside]  # a piece is of one id, in one blob
    num_pieces = np.bincount(owner[1:], minlength=len(counts))
    pairs = np.unique(np.stack([blob[1:], owner[1:]]), axis=1)
    crowded = np.bincount(pairs[0]) > 1
    merged = {int(lesion) for where, lesion in pairs.T if crowded[where]}
    present = [lesion for lesion in volumes_mm3 if counts[lesion]]
    return {
        "vanished": tuple(lesion for lesion in volumes_mm3 if not counts[lesion]),
        "merged": tuple(lesion for lesion in present if lesion in merged),
        "split": tuple(lesion for lesion in present if num_pieces[lesion] > 1),
        "changed": tuple(
            lesion
            for lesion in present
            if abs(counts[lesion] * voxel_mm3 / volumes_mm3[lesion] - 1) > CHANGE
        ),
    }


def _cropped(ids: NDArray[np.int32], affine: Affine, grid: Grid) -> NDArray[np.int32]:
    """The voxels of `ids` inside the field of view of a parallel grid."""
    to_ids = np.linalg.solve(affine, grid.affine)
    ends = [
        to_ids[:3, :3] @ corner + to_ids[:3, 3]
        for corner in (np.full(3, -0.5), np.array(grid.shape) - 0.5)
    ]
    low, high = (np.rint(end + 0.5).astype(int) for end in ends)
    cut = tuple(slice(max(0, a), max(0, b)) for a, b in zip(low, high))
    return ids[cut]


def _framed(ids: NDArray[np.int32], affine: Affine) -> tuple[NDArray[np.int32], Affine]:
    """The ids inside the lesions' bounding box and a margin, contiguous."""
    framed, moved = geometry.crop(ids, affine, *geometry.bounding_box(ids > 0, (MARGIN,) * 3))
    return np.ascontiguousarray(framed), moved


def _through_slabs(stored: NDArray[np.int32], affine: Affine, slab_axis: int) -> NDArray[np.int32]:
    """The lesion ids of every slab's centre slice, put back in a stack."""
    image = np.broadcast_to(np.float16(0), (1, *stored.shape))
    x, y, z = stored.shape
    bare = Case("audit", "", image, stored, affine, slab_axis, Grid((x, y, z), affine), ("none",))
    rule = SlabRule(context_slices=0, context_distance_mm=1.0)
    slices = [read_slab(bare, n, rule).lesion_ids for n in range(stored.shape[slab_axis])]
    return np.stack([one for one in slices if one is not None], axis=slab_axis)


def _box_coded(stored: NDArray[np.int32], slab_axis: int, cells: int) -> NDArray[np.int32]:
    """Every slice's targets as a box with a mask of cells, pasted back."""
    out = np.zeros_like(stored)
    slices, coded = np.moveaxis(stored, slab_axis, 0), np.moveaxis(out, slab_axis, 0)
    for number in np.flatnonzero(slices.any(axis=(1, 2))):
        best = np.full(slices.shape[1:], 0.5, np.float32)
        for lesion, mask, corner in pieces_in_slice(np.ascontiguousarray(slices[number])):
            rows, columns, values = decode_piece(
                encode_piece(mask, cells), mask.shape, corner, best.shape
            )
            claims = values >= best[rows, columns]
            coded[number][rows, columns][claims] = lesion
            best[rows, columns][claims] = values[claims]
    return out


def _on_original_grid(ids: NDArray[np.int32], affine: Affine, own: Grid) -> NDArray[np.int32]:
    """As masks are written: all lesions interpolated together and cut at one half, none lost."""
    named = carry_ids(ids, affine, own)
    together = geometry.resample_to((ids > 0).astype(np.float32), affine, own, order=1) >= 0.5
    nameless = np.argwhere(together & (named == 0))
    names = np.zeros(len(nameless), np.int32)
    for step in NEIGHBOURS:
        near = np.clip(nameless + step, 0, np.array(named.shape) - 1)
        names = np.where(names > 0, names, named[tuple(near.T)])
    named[tuple(nameless.T)] = names
    return named
