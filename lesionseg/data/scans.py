"""One scan off the disk: channels and lesion ids in canonical RAS, checked against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.data.cards import MaskLabels
from lesionseg.data.grids import onto_grid
from lesionseg.data.lesions import label_lesions, lesion_ids, lesion_mask
from lesionseg.data.raters import consensus
from lesionseg.io import read_volume
from lesionseg.io.dicom import DicomIrregular
from lesionseg.io.layouts import ScanFiles
from lesionseg.structures import Affine, Grid, Volume


@dataclass(frozen=True)
class ReadingRule:
    """What may be mended while reading, and is refused otherwise; see `read_volume`.

    fix_grid: resample masks and further channels that lie on another grid than the first channel.
    mask_threshold: at or above which a mask of probabilities is lesion.
    """

    assume_affine: bool = False
    dicom_irregular: DicomIrregular = "refuse"
    fix_grid: bool = False
    mask_threshold: float | None = None

    def read(self, path: Path, case: str, *, volume: int | None = None) -> Volume:
        """One file, by this rule. Raises CaseError."""
        return read_volume(
            path,
            case=case,
            volume=volume,
            assume_affine=self.assume_affine,
            dicom_irregular=self.dicom_irregular,
        )


STRICT = ReadingRule()


@dataclass(frozen=True, eq=False)
class LoadedScan:
    """channels: C arrays (X, Y, Z), canonical RAS, as in their files. lesion_ids: int32, same grid,
    None without a mask. original: the grid of the files. notes: what was mended while reading."""

    case: str
    channels: tuple[NDArray[Any], ...]
    lesion_ids: NDArray[np.int32] | None
    affine: Affine
    original: Grid
    notes: tuple[str, ...] = ()


def load_scan(files: ScanFiles, labels: MaskLabels, rule: ReadingRule = STRICT) -> LoadedScan:
    """Read a scan's files. Raises CaseError for any that is unusable or on another grid."""
    volumes = read_channels(files, rule)
    notes = [note for volume in volumes for note in volume.notes]
    found = None
    if files.mask is not None:
        mask = read_mask(files.mask, volumes[0].grid, files.case, rule)
        notes += mask.notes
        found = lesion_ids(mask, labels, files.case, threshold=rule.mask_threshold)
    elif files.raters:
        masks = read_raters(files, labels, volumes[0].grid, rule)
        found = label_lesions(consensus(list(masks.values()), files.consensus))
    # labelled as the file lies, so that an id means the same lesion wherever it is named
    affine = volumes[0].affine
    ids = None
    if found is not None:
        ids = np.ascontiguousarray(geometry.to_canonical(found, affine)[0])
    channels, turned = canonical_channels(volumes, files.case, rule)
    return LoadedScan(files.case, channels, ids, turned, volumes[0].grid, tuple(notes))


def read_channels(files: ScanFiles, rule: ReadingRule = STRICT) -> list[Volume]:
    """The images of a scan as they stand in their files. Raises CaseError for an unusable one."""
    which = files.volumes or (None,) * len(files.images)
    return [rule.read(path, files.case, volume=volume) for path, volume in zip(files.images, which)]


def read_mask(path: Path, grid: Grid, case: str, rule: ReadingRule = STRICT) -> Volume:
    """A mask as it stands in its file, on the grid of its scan. Raises CaseError."""
    return onto_grid(rule.read(path, case), grid, case, "mask", fix_grid=rule.fix_grid)[0]


def read_raters(
    files: ScanFiles, labels: MaskLabels, grid: Grid, rule: ReadingRule = STRICT
) -> dict[str, NDArray[np.bool_]]:
    """Each rater's lesions, (X, Y, Z) bool on the scan's own grid. Raises CaseError."""
    return {
        name: lesion_mask(
            read_mask(path, grid, files.case, rule),
            labels,
            files.case,
            threshold=rule.mask_threshold,
        )
        for name, path in files.raters
    }


def canonical_channels(
    volumes: Sequence[Volume], case: str, rule: ReadingRule = STRICT
) -> tuple[tuple[NDArray[Any], ...], Affine]:
    """The channels in canonical RAS, as views, and their affine. CaseError where grids differ."""
    grid = volumes[0].grid
    fitted = [
        onto_grid(volume, grid, case, f"channel {index}", fix_grid=rule.fix_grid, order=1)[0]
        for index, volume in enumerate(volumes)
    ]
    turned = [geometry.to_canonical(volume.array, grid.affine) for volume in fitted]
    return tuple(array for array, _ in turned), turned[0][1]
