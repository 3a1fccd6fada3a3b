"""RT structure sets (RTSTRUCT), outlines in place of voxels, filled in on their scan's grid.

An outline is a closed polygon in one slice of the scan, in mm (PS3.3, C.8.8.6). A voxel is inside
where its centre is. An outline inside another one is a hole; one stored twice counts once, and
outlines that overlap are joined. Needs the extra dicom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.errors import CaseError, UsageError
from lesionseg.io.dicom.quiet import quiet_pydicom
from lesionseg.structures import Grid, Volume
from lesionseg.wording import counted

EXTRA = "reading an RT structure set needs pydicom; install it with pip install 'lesionseg[dicom]'"
CLOSED = "CLOSED_PLANAR"
OFF_PLANE_VOX = 0.1  # that the points of an outline may lie off a slice: they are rounded
SHOWN = 8  # structures that a message names

Outline = NDArray[np.float64]  # (N, 3) corners


def read_structures(
    path: Path, grid: Grid, case: str, *, wanted: Sequence[str] = (), key: str = "data.lesions"
) -> Volume:
    """A structure set on its scan's grid: (X, Y, Z) uint8, 1 inside the wanted structures.

    wanted: their names, where letters' case counts for nothing; none takes the only one. key: the
    setting that names them, for messages. Raises CaseError where the file cannot be read, it cannot
    be told which structure is meant, none of the wanted is there, an outline is not closed, lies
    between slices or outside the scan, or a lesion may have been drawn on some of its slices only;
    UsageError where pydicom is not installed.
    """
    outlines = _outlines(path, case)
    names = _chosen([name for name in outlines if _closed(outlines[name])], wanted, path, case, key)
    array, thin = np.zeros(grid.shape, np.uint8), 0
    for name in names:
        filled, num_thin = _filled(outlines[name], grid, f"{path.name}, structure '{name}'", case)
        array |= filled
        thin += num_thin
    note = (
        f"{path.name}: {thin} outlines hold no voxel centre of the scan; each marks the nearest one"
    )
    return Volume(array, grid.affine, None, (note,) if thin else (), grid.other)


def _outlines(path: Path, case: str) -> dict[str, list[tuple[str, Outline]]]:
    """Of each structure by its name: the kind of each outline, and its corners in mm, RAS."""
    try:
        from pydicom import dcmread
    except ImportError as error:
        raise UsageError(EXTRA) from error
    found: dict[str, list[tuple[str, Outline]]] = {}
    try:
        with quiet_pydicom():
            dataset = dcmread(path, force=True)
            names = {
                int(item.ROINumber): str(item.get("ROIName") or f"number {item.ROINumber}").strip()
                for item in dataset.get("StructureSetROISequence") or []
            }
            for item in dataset.get("ROIContourSequence") or []:
                mine = found.setdefault(names[int(item.ReferencedROINumber)], [])
                for contour in item.get("ContourSequence") or []:
                    corners = np.array([float(mm) for mm in contour.ContourData]).reshape(-1, 3)
                    if not np.isfinite(corners).all():
                        raise ValueError("a corner that is no number")
                    mine.append((str(contour.ContourGeometricType), corners * (-1, -1, 1)))
    except Exception as error:  # a damaged file raises whatever it runs into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CaseError(
            case, f"{path.name} cannot be read as RTSTRUCT: {reason}; export it again"
        ) from error
    return found


def _closed(outlines: Sequence[tuple[str, Outline]]) -> bool:
    """Whether a structure has a closed outline; isocentres and markers are points alone."""
    return any(kind == CLOSED for kind, _ in outlines)


def _chosen(
    names: Sequence[str], wanted: Sequence[str], path: Path, case: str, key: str
) -> list[str]:
    """Raises CaseError where it cannot be told, or none of the wanted structures is there."""
    if not names:
        raise CaseError(case, f"{path.name} holds no closed outline; want those of the lesions")
    asked = {name.casefold() for name in wanted}
    chosen = [name for name in names if name.casefold() in asked] if wanted else list(names)
    if chosen and (wanted or len(names) == 1):
        return chosen
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    what = f"none of {', '.join(wanted)}" if wanted else "and it cannot be told which are lesions"
    raise CaseError(
        case,
        f"{path.name} outlines {len(names)} structures, {shown}{more}, {what}; name those of the "
        f"lesions in {key}, for example {key}=['{names[0]}']",
    )


def _filled(
    outlines: Sequence[tuple[str, Outline]], grid: Grid, what: str, case: str
) -> tuple[NDArray[np.uint8], int]:
    """The voxels (X, Y, Z) inside a structure, and how many outlines hold no voxel centre, which
    mark the nearest one: no lesion is too small to be there."""
    if other := next((kind for kind, _ in outlines if kind != CLOSED), None):
        raise CaseError(case, f"{what} has an outline of type {other}; want {CLOSED} alone")
    to_grid = np.linalg.inv(grid.affine)
    polygons = [corners @ to_grid[:3, :3].T + to_grid[:3, 3] for _, corners in outlines]
    axis = _slice_axis(polygons, grid, what, case)
    out, nearest = np.zeros(grid.shape, bool), []
    drawn: dict[int, list[NDArray[np.bool_]]] = {}
    slices = np.moveaxis(out, axis, 0)
    for polygon in polygons:
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        edge = 0.5 + OFF_PLANE_VOX
        if (low < -edge).any() or (high > np.array(grid.shape) - 1 + edge).any():
            raise CaseError(case, f"{what} has an outline that leaves its scan")
        number = round(float(polygon[:, axis].mean()))
        in_plane = np.delete(polygon, axis, axis=1)
        inside = _inside(in_plane, slices.shape[1:])
        if inside.any():
            drawn.setdefault(number, []).append(inside)
        else:
            place = np.rint(in_plane.mean(axis=0)).astype(int)
            nearest.append((number, *np.clip(place, 0, np.array(inside.shape) - 1)))
    for number, parts in drawn.items():
        slices[number] = _joined(parts)
    _refuse_skipped_slices(slices, what, case)
    for place in nearest:  # when holes are cut; in what is filled it changes nothing
        slices[place] = True
    return out.view(np.uint8), len(nearest)


def _joined(parts: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """(rows, columns) bool: the outlines of one slice, each (rows, columns) bool and not empty. One
    inside another is a hole, one inside that hole is filled again; else they are joined."""
    different = list({part.tobytes(): part for part in parts}.values())
    different.sort(key=np.count_nonzero, reverse=True)
    depths: list[int] = []
    around: list[list[int]] = []  # of each outline, the larger ones that it lies inside
    for part in different:
        around.append([n for n in range(len(depths)) if not (part & ~different[n]).any()])
        depths.append(1 + max((depths[n] for n in around[-1]), default=-1))
    out = np.zeros_like(different[0])
    for outer, part in enumerate(different):
        if depths[outer] % 2:
            continue
        filled = part.copy()
        for inner, outside in enumerate(around):
            if outer in outside and depths[inner] == depths[outer] + 1:
                filled &= ~different[inner]
        out |= filled
    return out


def _refuse_skipped_slices(slices: NDArray[np.bool_], what: str, case: str) -> None:
    """Raise CaseError where it is doubtful whether outlines above each other are of one lesion.

    slices: (slices, rows, columns). What is drawn in one slice and goes on beyond slices without an
    outline is two lesions where more than one slice is left out and one of the two was drawn in
    neighbouring slices. One slice left out may have been forgotten; outlines that stand in single
    slices may be every third of one lesion: either would become several lesions.
    """
    drawn = ndimage.find_objects(slices.view(np.uint8))
    if not drawn:
        return
    parts, num_parts = ndimage.label(slices[drawn[0]], np.ones((3, 3, 3)))
    heights = [part[0].stop - part[0].start for part in ndimage.find_objects(parts)]
    left_out = _left_out(parts) if num_parts > 1 else {}
    skipped = [
        num
        for (below, above), num in left_out.items()
        if num == 1 or heights[below - 1] == heights[above - 1] == 1
    ]
    if skipped:
        most = max(skipped)
        raise CaseError(
            case,
            f"{what} leaves up to {counted(most, 'slice')} without an outline between outlines "
            f"that overlap, at {counted(len(skipped), 'place')}; interpolate it in the planning "
            "system and export it again, or give separate lesions structures of their own",
        )


def _left_out(parts: NDArray[np.int32]) -> dict[tuple[int, int], int]:
    """(lower, upper) part -> the fewest slices between two voxels above each other, the next of
    their column. parts: (slices, rows, columns), the number of each voxel's part, 0 outside."""
    found: dict[tuple[int, int], int] = {}
    below = np.zeros(parts.shape[1:], parts.dtype)  # the last part of each column, and its slice
    last = np.zeros(parts.shape[1:], int)
    for number in np.flatnonzero(parts.any(axis=(1, 2))):
        here = parts[number]
        other = (here > 0) & (below > 0) & (below != here)
        for lower, upper, at in zip(below[other], here[other], last[other]):
            pair = (int(lower), int(upper))
            num = int(number - at - 1)
            found[pair] = min(found.get(pair, num), num)
        below[here > 0], last[here > 0] = here[here > 0], number
    return found


def _slice_axis(polygons: Sequence[Outline], grid: Grid, what: str, case: str) -> int:
    """The axis of the grid along which each outline lies in one slice. Raises CaseError."""
    off = [
        max(float(np.abs(p[:, axis] - round(float(p[:, axis].mean()))).max()) for p in polygons)
        for axis in range(3)
    ]
    slab_axis, *_ = geometry.slab_axes(geometry.spacing(grid.affine))
    axis = slab_axis if off[slab_axis] <= OFF_PLANE_VOX else int(np.argmin(off))
    if off[axis] > OFF_PLANE_VOX:
        raise CaseError(
            case,
            f"{what} has an outline up to {off[axis]:.2g} voxels off the slices of its scan, at "
            f"most {OFF_PLANE_VOX} is allowed; give the scan that it was drawn on",
        )
    return axis


def _inside(polygon: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.bool_]:
    """(rows, columns) bool: voxel centres inside a polygon (N, 2), by the crossings of a ray."""
    inside = np.zeros(tuple(shape), bool)
    first = np.clip(np.ceil(polygon.min(axis=0)), 0, shape).astype(int)
    stop = np.clip(np.floor(polygon.max(axis=0)) + 1, first, shape).astype(int)
    rows = np.arange(first[0], stop[0])[:, None]
    columns = np.arange(first[1], stop[1])[None]
    part = inside[first[0] : stop[0], first[1] : stop[1]]
    for (row, column), (next_row, next_column) in zip(polygon, np.roll(polygon, -1, axis=0)):
        if row == next_row:
            continue
        crossing = column + (rows - row) * (next_column - column) / (next_row - row)
        part ^= ((row > rows) != (next_row > rows)) & (columns < crossing)
    return inside
