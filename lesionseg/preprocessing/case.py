"""From a scan's files to a case: canonical RAS, air cut off, normalised, resampled in-plane.

The same `prepare_image` serves training and prediction, so a model sees one kind of image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.planning.plan import ChannelPlan, Plan
from lesionseg.reading.foreground import (
    Foreground,
    find_air,
    find_foreground,
    foreground_intensities,
)
from lesionseg.reading.lesion_ids import carry_ids, lesion_table
from lesionseg.reading.scans import LoadedScan, canonical_channels, load_scan
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Affine, Case, Grid, Volume

BYTES_AT_WORK = 12  # of a voxel while it is resampled, beside what is stored of it
AIR = -5.0  # normalised value of MRI air, and of everything darker
BRIGHTEST = 20.0  # normalised values above are cut, so that one hot voxel cannot leave float16


def prepare_image(
    volumes: Sequence[Volume], plan: Plan, *, case: str = "scan"
) -> tuple[NDArray[np.float16], Affine, int]:
    """A scan's channels, in the order of the plan, as models see them; needs no mask.

    Returns the image (C, X, Y, Z) float16 in canonical RAS, its affine and its slab axis.
    Raises CaseError for a wrong number of channels, grids that differ, a channel without contrast.
    """
    if len(volumes) != len(plan.channels):
        names = ", ".join(channel.name for channel in plan.channels)
        raise CaseError(case, f"got {len(volumes)} channels, want {len(plan.channels)}: {names}")
    channels, affine = canonical_channels(volumes, case)
    return _prepare(channels, affine, plan, None, case)


def prepare_case(files: ScanFiles, labels: MaskLabels, plan: Plan) -> Case:
    """Read a scan and make its case in memory: image float16, lesion ids int32 or None.

    The lesion table is measured on the scan's own grid. Raises CaseError for unusable input.
    """
    return prepare_loaded(load_scan(files, labels), files, plan)


def prepare_loaded(scan: LoadedScan, files: ScanFiles, plan: Plan) -> Case:
    """The case of a scan that has been read. Raises CaseError for channels that cannot be used."""
    image, affine, slab_axis = _prepare(
        scan.channels, scan.affine, plan, scan.lesion_ids, files.case
    )
    ids = None
    if scan.lesion_ids is not None:
        x, y, z = image.shape[1:]
        ids = carry_ids(scan.lesion_ids, scan.affine, Grid((x, y, z), affine))
    return Case(
        name=files.case,
        patient=files.patient,
        image=image,
        lesion_ids=ids,
        affine=affine,
        slab_axis=slab_axis,
        original=scan.original,
        channels=tuple(channel.name for channel in plan.channels),
        lesions={} if ids is None else _table(scan.lesion_ids, scan.affine, slab_axis),
    )


def _table(ids: NDArray[np.int32] | None, affine: Affine, slab_axis: int) -> Any:
    assert ids is not None
    return lesion_table(ids, affine, slab_axis)


def _prepare(
    channels: Sequence[NDArray[Any]],
    affine: Affine,
    plan: Plan,
    keep: NDArray[Any] | None,
    case: str,
) -> tuple[NDArray[np.float16], Affine, int]:
    """`keep`: voxels that must stay inside the crop, (X, Y, Z), non-zero."""
    modalities = [channel.modality for channel in plan.channels]
    foreground = find_foreground(channels, affine, modalities, case)
    wanted = foreground.inside if keep is None else foreground.inside | (keep != 0)
    margin = [round(plan.margin_mm / step) for step in geometry.spacing(affine)]
    start, stop = geometry.bounding_box(wanted, margin)
    inside, cropped = geometry.crop(foreground.inside, affine, start, stop)
    core, _ = geometry.crop(foreground.core, affine, start, stop)
    cropped_foreground = Foreground(inside, core, foreground.thresholds)
    slab_axis, _, _ = geometry.slab_axes(geometry.spacing(cropped))
    x, y, z = inside.shape
    grid = geometry.in_plane_grid(Grid((x, y, z), cropped), plan.in_plane_spacing_mm, slab_axis)
    _refuse_beyond_memory(grid, len(channels), cropped, case)
    image = np.empty((len(channels), *grid.shape), np.float16)
    for index, (channel, planned) in enumerate(zip(channels, plan.channels)):
        threshold = foreground.thresholds[index]
        shift, scale, air = _normalisation(channel, planned, foreground, threshold, case)
        window, _ = geometry.crop(channel, affine, start, stop)
        values = window.astype(np.float32)
        if planned.normalisation == "cohort":
            np.clip(values, planned.low, planned.high, out=values)
        values -= shift
        values *= 1 / scale
        np.clip(values, air, BRIGHTEST, out=values)
        values[find_air(window, cropped_foreground, threshold)] = air
        image[index] = geometry.resample_to(values, cropped, grid, order=1, fill=air)
    return image, grid.affine, slab_axis


def _refuse_beyond_memory(grid: Grid, num_channels: int, scanned: Affine, case: str) -> None:
    """Raise CaseError where the resampled scan would not fit: units are often the reason."""
    wanted = math.prod(grid.shape) * (2 * num_channels + BYTES_AT_WORK)
    spacing = " x ".join(f"{mm:g}" for mm in geometry.spacing(scanned))
    size = " x ".join(map(str, grid.shape))
    refuse_beyond_memory(wanted, f"the scan of {spacing} mm, resampled to {size} voxels,", case)


def _normalisation(
    channel: NDArray[Any], planned: ChannelPlan, foreground: Foreground, threshold: float, case: str
) -> tuple[float, float, float]:
    """(shift, scale, normalised value of air) of one channel."""
    if planned.normalisation == "cohort":
        low, mean, std = planned.low, planned.mean, planned.std
        assert low is not None
        assert mean is not None
        assert std is not None
        return mean, std, (low - mean) / std
    values = foreground_intensities(channel, foreground, threshold, case)
    low, high = np.percentile(values, (5, 95))
    middle = values[(values >= low) & (values <= high)]
    mean, std = float(middle.mean()), float(middle.std())
    if not std > 0:
        raise CaseError(
            case, f"channel {planned.name} is {mean:g} all over the foreground; want an image"
        )
    return mean, std, AIR
