"""From a scan's files to a case: canonical RAS, air cut off, normalised, resampled in-plane.

The same `prepare_image` serves training and prediction, so a model sees one kind of image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.reading.carrying import carry_kinds
from lesionseg.reading.foreground import Background, Foreground, find_foreground
from lesionseg.reading.intensities import middle_mean_and_spread, tissue_intensities
from lesionseg.reading.lesion_ids import lesion_table
from lesionseg.reading.scans import LoadedScan, canonical_channels
from lesionseg.reading.stray_voxels import stray_voxels
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Affine, Case, Grid, Volume

BYTES_AT_WORK = 12  # of a voxel while it is resampled, beside what is stored of it
SLACK = 1e-3  # of a spread: rounding


def prepare_image(
    volumes: Sequence[Volume], plan: Plan, *, case: str = "scan"
) -> tuple[NDArray[np.float16], Affine, int]:
    """A scan's channels, in the order of the plan, as models see them; needs no mask.

    Returns the image (C, X, Y, Z) float16 in canonical RAS, its affine and its slab axis.
    Raises CaseError for a wrong number of channels, grids that differ, a channel without contrast.
    """
    if len(volumes) != len(plan.channels):
        wanted = ", ".join(channel.name for channel in plan.channels)
        raise CaseError(case, f"got {len(volumes)} channels, want {len(plan.channels)}: {wanted}")
    names = [channel.name for channel in plan.channels]
    channels, affine = canonical_channels(volumes, case, names)
    return _prepare(channels, affine, plan, None, case)


def prepare_loaded(scan: LoadedScan, files: ScanFiles, plan: Plan) -> Case:
    """The case of a scan that has been read. Raises CaseError for channels that cannot be used."""
    image, affine, slab_axis = _prepare(
        scan.channels, scan.affine, plan, scan.lesion_ids, files.case
    )
    ids = None
    if scan.lesion_ids is not None:
        x, y, z = image.shape[1:]
        assert scan.kinds is not None
        ids = carry_kinds(scan.lesion_ids, scan.kinds, scan.affine, Grid((x, y, z), affine))
    return Case(
        name=files.case,
        patient=files.patient,
        image=image,
        lesion_ids=ids,
        affine=affine,
        slab_axis=slab_axis,
        original=scan.original,
        channels=tuple(channel.name for channel in plan.channels),
        lesions={} if ids is None else _table(scan, slab_axis),
    )


def _table(scan: LoadedScan, slab_axis: int) -> dict[int, Mapping[str, float]]:
    assert scan.lesion_ids is not None
    assert scan.kinds is not None
    return lesion_table(scan.lesion_ids, scan.kinds, scan.affine, slab_axis)


def _prepare(
    channels: Sequence[NDArray[Any]],
    affine: Affine,
    plan: Plan,
    ids: NDArray[np.int32] | None,
    case: str,
) -> tuple[NDArray[np.float16], Affine, int]:
    """ids: lesions (X, Y, Z), all of which stay inside the crop with their intensities, but for
    stray voxels, which are air as what is around them."""
    modalities = [channel.modality for channel in plan.channels]
    names = [channel.name for channel in plan.channels]
    foreground = find_foreground(channels, affine, modalities, case, names)
    start, stop = _kept_box(foreground, affine, plan, ids)
    inside, cropped = geometry.crop(foreground.inside, affine, start, stop)
    lesions = None
    if ids is not None:
        lesions = ids > 0
        lesions[tuple(stray_voxels(channels, ids, foreground).T)] = False
        lesions = geometry.crop(lesions, affine, start, stop)[0]
    slab_axis, _, _ = geometry.slab_axes(geometry.spacing(cropped))
    x, y, z = inside.shape
    grid = geometry.in_plane_grid(Grid((x, y, z), cropped), plan.in_plane_spacing_mm, slab_axis)
    _refuse_beyond_memory(grid, len(channels), cropped, case)
    image = np.empty((len(channels), *grid.shape), np.float16)
    for index, (channel, planned) in enumerate(zip(channels, plan.channels)):
        scaling = _scaling(channel, planned, foreground, foreground.backgrounds[index], case)
        values = geometry.crop(channel, affine, start, stop)[0].astype(np.float32)
        values -= scaling.shift
        values *= 1 / scaling.scale
        air = ~np.isfinite(values)
        if plan.cuts_air:
            air |= ~inside
        if lesions is not None:
            _refuse_flattened(values, lesions, air, scaling, planned.name, case)
        np.clip(values, scaling.low, scaling.high, out=values)
        values[air] = scaling.air
        image[index] = geometry.resample_to(values, cropped, grid, order=1, fill=scaling.air)
    return image, grid.affine, slab_axis


def _kept_box(
    foreground: Foreground, affine: Affine, plan: Plan, ids: NDArray[np.int32] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Start and stop of what is kept of a scan, (X, Y, Z)."""
    if not plan.cuts_air:
        return (0, 0, 0), foreground.inside.shape
    kept = foreground.hull if ids is None else foreground.hull | (ids > 0)
    margin = [round(plan.margin_mm / step) for step in geometry.spacing(affine)]
    return geometry.bounding_box(kept, margin)


def _refuse_beyond_memory(grid: Grid, num_channels: int, scanned: Affine, case: str) -> None:
    """Raise CaseError where the resampled scan would not fit: units are often the reason."""
    wanted = math.prod(grid.shape) * (2 * num_channels + BYTES_AT_WORK)
    spacing = " x ".join(f"{mm:g}" for mm in geometry.spacing(scanned))
    size = " x ".join(map(str, grid.shape))
    refuse_beyond_memory(wanted, f"the scan of {spacing} mm, resampled to {size} voxels,", case)


@dataclass(frozen=True)
class _Scaling:
    """(value - shift) / scale, between low and high; air: what is set where there is air."""

    shift: float
    scale: float
    low: float
    high: float
    air: float


def _scaling(
    channel: NDArray[Any],
    planned: ChannelPlan,
    foreground: Foreground,
    background: Background,
    case: str,
) -> _Scaling:
    low, high, mean, std = planned.low, planned.high, planned.mean, planned.std
    if planned.normalisation == "cohort":
        assert mean is not None
        assert std is not None
        low, high = (low - mean) / std, (high - mean) / std
    else:
        values = tissue_intensities(channel, foreground, background, case)
        mean, std = middle_mean_and_spread(values)
        if not std > 0:
            problem = f"channel {planned.name} is {mean:g} all over the foreground"
            raise CaseError(case, f"{problem}; want an image")
    air = float(np.clip((background.air - mean) / std, low, high))
    return _Scaling(mean, std, low, high, air)


def _refuse_flattened(
    values: NDArray[np.float32],
    lesions: NDArray[np.bool_],
    air: NDArray[np.bool_],
    scaling: _Scaling,
    channel: str,
    case: str,
) -> None:
    """Raise CaseError where a lesion's intensities would not stay as they are.

    values: scaled, not clipped. A voxel that has no finite value has nothing to lose.
    """
    found = values[lesions]
    changed = (found < scaling.low - SLACK) | (found > scaling.high + SLACK) | air[lesions]
    changed &= np.isfinite(found)
    if changed.any():
        raise CaseError(
            case,
            f"of {found.size} lesion voxels {int(changed.sum())} would lose their intensity in "
            f"channel {channel}: scaled they lie from {found[changed].min():.4g} to "
            f"{found[changed].max():.4g}, kept are {scaling.low:.4g} to {scaling.high:.4g} inside "
            "head or body; mend the scan's intensity scaling or its mask",
        )
