"""One scan from its files: channels and lesion ids in canonical RAS, checked against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.layouts.scan_files import channel_words
from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.errors import CaseError
from lesionseg.io.nifti.header_only import grid_of
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.lesion_kinds import LesionKinds
from lesionseg.reading.carrying import NAMED, Drawn
from lesionseg.reading.grids import onto_grid
from lesionseg.reading.lesion_ids import label_lesions
from lesionseg.reading.masks_on_grid import read_lesions, read_numbers
from lesionseg.reading.raters import joined_raters
from lesionseg.structures import Affine, Grid, Volume
from lesionseg.wording import counted

LARGEST = 1e37  # of an intensity: cases are kept as 32-bit floats, which end at 3.4e38


@dataclass(frozen=True, eq=False)
class LoadedScan:
    """channels: C arrays (X, Y, Z), canonical RAS, as in their files. lesion_ids: int32, same grid,
    None without a mask. original: the grid of the files. notes: what was mended while reading.
    kinds: class of each lesion, None without a mask.
    drawn: the lesions as they were in a mask of another grid; None for one of the scan's own.
    names: of the channels, where they have any."""

    case: str
    channels: tuple[NDArray[Any], ...]
    lesion_ids: NDArray[np.int32] | None
    affine: Affine
    original: Grid
    notes: tuple[str, ...] = ()
    drawn: Drawn | None = None
    names: tuple[str, ...] = ()
    kinds: LesionKinds | None = None


def load_scan(files: ScanFiles, labels: MaskLabels) -> LoadedScan:
    """Read a scan's files. Raises CaseError for any that is unusable or on another grid."""
    volumes = read_channels(files)
    notes = [note for volume in volumes for note in volume.notes]
    grid = volumes[0].grid
    found, kinds, drawn = None, None, None
    if files.mask is not None:
        found, kinds, drawn, remarks = read_lesions(
            files.mask, labels, files.case, files.rule, grid
        )
        notes += remarks
    elif files.raters:
        maps = read_raters(files, labels, grid)
        joined = joined_raters(maps, labels.classes, files.consensus, files.few_raters)
        found, kinds = label_lesions(joined.numbers, labels.classes)
        notes += joined.notes
    # labelled as the file lies, so that an id means the same lesion wherever it is named
    ids = None
    if found is not None:
        ids = np.ascontiguousarray(geometry.to_canonical(found, grid.affine)[0])
    channels, affine = canonical_channels(volumes, files.case, files.channels)
    notes += _uncovered_lesions(channels, ids, files.channels)
    return LoadedScan(
        files.case, channels, ids, affine, grid, tuple(notes), drawn, files.channels, kinds
    )


def _uncovered_lesions(
    channels: Sequence[NDArray[Any]], ids: NDArray[np.int32] | None, names: Sequence[str]
) -> list[str]:
    """Which lesions a channel does not show at all, having no value there."""
    if ids is None:
        return []
    notes = []
    lesion = ids > 0
    own = ids[lesion]
    for index, channel in enumerate(channels):
        if channel.dtype.kind != "f":
            continue
        shown = np.unique(own[np.isfinite(channel[lesion])])
        hidden = sorted(set(np.unique(own).tolist()) - set(shown.tolist()))
        if hidden:
            named = ", ".join(map(str, hidden[:NAMED])) + (", ..." if len(hidden) > NAMED else "")
            what = channel_words(names, index)
            notes.append(f"{what} shows nothing of {counted(len(hidden), 'lesion')}: {named}")
    return notes


def load_lesions(
    files: ScanFiles, labels: MaskLabels
) -> tuple[NDArray[np.int32], LesionKinds, Affine]:
    """The lesion ids of a scan in canonical RAS on the scan's grid, their classes and their affine,
    as `load_scan` gives them; images whose header alone says their grid are not read. Raises
    CaseError."""
    grid = None if files.mask is None else grid_of(files.images[0])
    if files.mask is None or grid is None:
        scan = load_scan(files, labels)
        assert scan.lesion_ids is not None
        assert scan.kinds is not None
        return scan.lesion_ids, scan.kinds, scan.affine
    found, kinds, _, _ = read_lesions(files.mask, labels, files.case, files.rule, grid)
    ids, affine = geometry.to_canonical(found, grid.affine)
    return np.ascontiguousarray(ids), kinds, affine


def read_channels(files: ScanFiles) -> list[Volume]:
    """The images of a scan on the grid of the first. Raises CaseError for an unusable one, and for
    a file of several volumes that are not the scan's channels, each once."""
    volumes = []
    for index, path in enumerate(files.images):
        found = files.rule_of(index).read(path, files.case)
        if files.volumes and found.num_volumes != files.images.count(path):
            of_file = [n for n, other in enumerate(files.images) if other == path]
            wanted = ", ".join(channel_words(files.channels, n) for n in of_file)
            raise CaseError(
                files.case,
                f"{path.name} holds {found.num_volumes} volumes, want {len(of_file)}: {wanted}; "
                "write these alone into it, in this order",
            )
        what = channel_words(files.channels, index)
        volumes.append(_with_holes_noted(found, what, files.case))
    return _on_first_grid(volumes, files.case, files.channels, files.rule)


def read_raters(files: ScanFiles, labels: MaskLabels, grid: Grid) -> dict[str, NDArray[Any]]:
    """Each rater's map of class numbers, (X, Y, Z) on the scan's own grid. Raises CaseError."""
    return {
        name: read_numbers(path, labels, files.case, files.rule, grid)
        for name, path in files.raters
    }


def canonical_channels(
    volumes: Sequence[Volume], case: str, names: Sequence[str] = ()
) -> tuple[tuple[NDArray[Any], ...], Affine]:
    """The channels in canonical RAS, as views, and their affine. CaseError where grids differ."""
    fitted = _on_first_grid(volumes, case, names, STRICT)
    turned = [geometry.to_canonical(volume.array, volume.affine) for volume in fitted]
    return tuple(array for array, _ in turned), turned[0][1]


def _with_holes_noted(volume: Volume, what: str, case: str) -> Volume:
    """Voxels that are not finite are air to preprocessing; skull-stripped scans may hold many.

    Raises CaseError for values that 32-bit floats, in which cases are kept, cannot hold.
    """
    if volume.array.dtype.kind != "f":
        return volume
    if volume.array.dtype.itemsize > 4:
        top = float(np.abs(volume.array).max(initial=0, where=np.isfinite(volume.array)))
        if top > LARGEST:
            problem = f"{what} has values up to {top:.3g}; want at most {LARGEST:.3g}"
            raise CaseError(case, f"{problem}: mend its intensity scaling")
    holes = 1 - np.count_nonzero(np.isfinite(volume.array)) / volume.array.size
    if not holes:
        return volume
    note = f"{what} has voxels that are not finite ({100 * holes:.2g} %), taken for air"
    return dataclasses.replace(volume, notes=(*volume.notes, note))


def _on_first_grid(
    volumes: Sequence[Volume], case: str, names: Sequence[str], rule: ReadingRule
) -> list[Volume]:
    grid = volumes[0].grid
    return [
        onto_grid(
            volume,
            grid,
            case,
            channel_words(names, index),
            fix_grid=rule.fix_grid,
            key=rule.fix_grid_key,
            most_uncovered=rule.uncovered,
        )[0]
        for index, volume in enumerate(volumes)
    ]
