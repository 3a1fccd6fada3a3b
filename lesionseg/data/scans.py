"""One scan off the disk: channels and lesion ids in canonical RAS, checked against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.data.cards import MaskLabels
from lesionseg.data.lesions import label_lesions, lesion_mask, same_grid_or_refuse
from lesionseg.io import read_volume
from lesionseg.io.layouts import ScanFiles
from lesionseg.structures import Affine, Grid, Volume


@dataclass(frozen=True, eq=False)
class LoadedScan:
    """channels: C arrays (X, Y, Z), canonical RAS, as in their files. lesion_ids: int32, same grid,
    None without a mask. original: the grid of the files."""

    case: str
    channels: tuple[NDArray[Any], ...]
    lesion_ids: NDArray[np.int32] | None
    affine: Affine
    original: Grid


def load_scan(files: ScanFiles, labels: MaskLabels) -> LoadedScan:
    """Read a scan's files. Raises CaseError for any that is unusable or on another grid."""
    volumes = read_channels(files)
    ids = None
    if files.mask is not None:
        mask = read_volume(files.mask, case=files.case)
        same_grid_or_refuse(volumes[0].grid, mask.grid, files.case, "mask")
        found, _ = geometry.to_canonical(lesion_mask(mask, labels, files.case), mask.affine)
        ids = label_lesions(found)
    channels, affine = canonical_channels(volumes, files.case)
    return LoadedScan(files.case, channels, ids, affine, volumes[0].grid)


def read_channels(files: ScanFiles) -> list[Volume]:
    """The images of a scan as they stand in their files. Raises CaseError for an unusable one."""
    which = files.volumes or (None,) * len(files.images)
    return [
        read_volume(path, case=files.case, volume=volume)
        for path, volume in zip(files.images, which)
    ]


def canonical_channels(
    volumes: Sequence[Volume], case: str
) -> tuple[tuple[NDArray[Any], ...], Affine]:
    """The channels in canonical RAS, as views, and their affine. CaseError where grids differ."""
    for index, volume in enumerate(volumes):
        same_grid_or_refuse(volumes[0].grid, volume.grid, case, f"channel {index}")
    turned = [geometry.to_canonical(volume.array, volumes[0].affine) for volume in volumes]
    return tuple(array for array, _ in turned), turned[0][1]
