"""What is measured of one scan: a record of some kilobytes, whatever the scan's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.cohort_check.slice_picture import slice_picture
from lesionseg.datasets.cards.fields import Channel
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.planning.fingerprint import files_key
from lesionseg.planning.lesion_audit import lesion_volumes
from lesionseg.planning.likeness import FINE, ROUGH, thumbnail
from lesionseg.reading.foreground import Background, Foreground, find_foreground
from lesionseg.reading.scans import LoadedScan, load_scan
from lesionseg.storage.hashes import sha256_of_bytes

MAX_SAMPLES = 200_000


@dataclass(frozen=True, eq=False)
class ChannelMeasures:
    """Of one image. levels: percentiles 1, 50, 99 and the maximum inside the foreground.

    border: median of the volume's outermost voxels. bad_percent: not finite. top_percent: of the
    foreground, exactly at the maximum; below_top_percent: in the fiftieth of the range right below
    it. voxels: hash of the canonical voxels. rough: thumbnail (12, 12, 12) int8.
    """

    file: str
    voxels: str
    minimum: float
    levels: tuple[float, float, float, float]
    border: float
    bad_percent: float
    top_percent: float
    below_top_percent: float
    rough: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class ScanMeasures:
    """Of one scan, canonical RAS. files: hash by role. fine: thumbnail of the first channel
    (16, 16, 16) int8. picture: (H, W) uint8 of a slice, 255 = lesion outline. lesion_air_percent:
    lesion voxels that lie outside the body's hull, where every channel is as dark as air."""

    case: str
    patient: str
    split: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    channels: tuple[ChannelMeasures, ...]
    files: dict[str, str]
    mask_voxels: str | None
    lesion_volumes_mm3: tuple[float, ...]
    lesion_air_percent: float
    fine: NDArray[np.int8]
    picture: NDArray[np.uint8]
    notes: tuple[str, ...]


def measure_scan(task: tuple[ScanFiles, MaskLabels, tuple[Channel, ...]]) -> ScanMeasures:
    """Hash, open and measure the files of one scan. Raises CaseError where one is unusable."""
    files, labels, channels = task
    hashes = _file_hashes(files, channels)
    scan = load_scan(files, labels)
    foreground = find_foreground(
        scan.channels, scan.affine, [channel.modality for channel in channels], files.case
    )
    ids = scan.lesion_ids
    box = geometry.bounding_box(foreground.inside)
    x, y, z = scan.channels[0].shape
    return ScanMeasures(
        case=files.case,
        patient=files.patient,
        split=files.split,
        shape=(x, y, z),
        spacing_mm=geometry.spacing(scan.affine),
        orientation=geometry.axcodes(scan.original.affine),
        channels=tuple(
            _channel(array, foreground, background, box, hashes[channel.name])
            for array, background, channel in zip(scan.channels, foreground.backgrounds, channels)
        ),
        files=hashes,
        mask_voxels=None if ids is None else _voxels_hash(ids > 0),
        lesion_volumes_mm3=() if ids is None else tuple(lesion_volumes(ids, scan.affine).values()),
        lesion_air_percent=_lesion_air(scan, foreground),
        fine=thumbnail(scan.channels[0], foreground.inside, box, FINE),
        picture=slice_picture(scan.channels[0], ids, scan.affine, box),
        notes=scan.notes,
    )


def _channel(
    array: NDArray[Any], foreground: Foreground, background: Background, box: Any, file: str
) -> ChannelMeasures:
    every = max(1, int((array.size / MAX_SAMPLES) ** (1 / 3)))
    window = (slice(None, None, every),) * 3
    sample = np.asarray(array[window], np.float32)
    inside = sample[foreground.hull[window] & np.isfinite(sample)]
    if background.padding is not None:
        inside = inside[inside != background.padding]
    if not inside.size:
        inside = sample[np.isfinite(sample)]
    low, middle, high, top = (float(v) for v in np.percentile(inside, (1, 50, 99, 100)))
    floor = float(np.nanmin(inside))
    near = top - 0.02 * (top - floor)
    at_top = inside >= top
    return ChannelMeasures(
        file=file,
        voxels=_voxels_hash(array),
        minimum=float(np.nanmin(np.where(np.isfinite(sample), sample, np.nan))),
        levels=(low, middle, high, top),
        border=float(np.nanmedian(_border(sample))),
        bad_percent=100 * float(1 - np.isfinite(array).mean()),
        top_percent=100 * float(at_top.mean()),
        below_top_percent=100 * float(((inside >= near) & ~at_top).mean()),
        rough=thumbnail(array, foreground.inside, box, ROUGH),
    )


def _border(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    faces = [np.take(sample, place, axis=axis).ravel() for axis in range(3) for place in (0, -1)]
    values = np.concatenate(faces)
    return values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1, np.float32)


def _lesion_air(scan: LoadedScan, foreground: Foreground) -> float:
    if scan.lesion_ids is None or not scan.lesion_ids.any():
        return 0.0
    lesion = scan.lesion_ids > 0
    box = geometry.bounding_slices(lesion)
    assert box is not None
    shown = np.zeros(lesion[box].shape, bool)
    for channel, background in zip(scan.channels, foreground.backgrounds):
        values = np.asarray(channel[box], np.float32)
        within = foreground.hull[box] & np.isfinite(values) & (values != background.padding)
        shown |= background.shown(values) | within
    shown &= foreground.inside[box]
    return 100 * float(1 - shown[lesion[box]].mean())


def _voxels_hash(array: NDArray[Any]) -> str:
    """The same for the same voxels in RAS, whatever file, type or orientation they came in."""
    values: NDArray[Any] = np.ascontiguousarray(
        array, dtype=np.uint8 if array.dtype == bool else np.float32
    )
    without_minus_zero = np.add(values, 0, dtype=values.dtype)  # -0 is 0
    return sha256_of_bytes(str(array.shape).encode(), without_minus_zero.data)


def _file_hashes(files: ScanFiles, channels: tuple[Channel, ...]) -> dict[str, str]:
    roles = {channel.name: path for channel, path in zip(channels, files.images)}
    masks = {"mask": files.mask} if files.mask else {}
    masks |= {f"mask of {name}": path for name, path in files.raters}
    try:
        done: dict[Path, str] = {}
        for path in {**roles, **masks}.values():
            done[path] = done.get(path) or files_key([path])
        return {role: done[path] for role, path in {**roles, **masks}.items()}
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(files.case, f"{Path(str(error.filename)).name}: {reason}") from error
