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
from lesionseg.planning.likeness import FINE, thumbnail
from lesionseg.planning.scan_look import ScanLook, body_sample, look_at
from lesionseg.reading.foreground import Background, Foreground, find_foreground
from lesionseg.reading.lesion_ids import lesion_volumes
from lesionseg.reading.scans import load_scan
from lesionseg.storage.hashes import sha256_of_bytes
from lesionseg.storage.memory import refuse_beyond_memory

BYTES_AT_WORK = 16  # of a voxel, beside the scan as it was read


@dataclass(frozen=True)
class ChannelMeasures:
    """Of one image. bad_percent: not covered by the image, or not finite in it. top_percent: of the
    body, exactly at the maximum; below_top_percent: in the fiftieth of the range right below it.
    voxels: hash of the canonical voxels."""

    file: str
    voxels: str
    bad_percent: float
    top_percent: float
    below_top_percent: float


@dataclass(frozen=True, eq=False)
class ScanMeasures:
    """Of one scan, canonical RAS. files: hash by role. lesion_kinds: the class number of each
    lesion. lesion_ml: of all of them, what lies inside two counted once. fine: thumbnail of
    the first channel (16, 16, 16) int8. picture: (H, W) uint8 of a slice, 255 = lesion outline."""

    case: str
    patient: str
    split: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    channels: tuple[ChannelMeasures, ...]
    look: ScanLook
    files: dict[str, str]
    mask_voxels: str | None
    lesion_volumes_mm3: tuple[float, ...]
    lesion_kinds: tuple[int, ...]
    lesion_ml: float
    fine: NDArray[np.int8]
    picture: NDArray[np.uint8]
    notes: tuple[str, ...]

    def class_loads(self, num_classes: int) -> tuple[int, ...]:
        """How many lesions of each class there are."""
        return tuple(self.lesion_kinds.count(number + 1) for number in range(num_classes))


def measure_scan(task: tuple[ScanFiles, MaskLabels, tuple[Channel, ...]]) -> ScanMeasures:
    """Hash, open and measure the files of one scan. Raises CaseError where one is unusable."""
    files, labels, channels = task
    hashes = _file_hashes(files, channels)
    scan = load_scan(files, labels)
    x, y, z = scan.channels[0].shape
    refuse_beyond_memory(BYTES_AT_WORK * x * y * z, f"measuring {x}x{y}x{z} voxels", files.case)
    modalities = [channel.modality for channel in channels]
    foreground = find_foreground(scan.channels, scan.affine, modalities, files.case, scan.names)
    ids = scan.lesion_ids
    box = geometry.bounding_box(foreground.inside)
    volumes = {}
    if ids is not None and scan.kinds is not None:
        volumes = lesion_volumes(ids, scan.kinds, scan.affine)
    return ScanMeasures(
        case=files.case,
        patient=files.patient,
        split=files.split,
        shape=(x, y, z),
        spacing_mm=geometry.spacing(scan.affine),
        orientation=geometry.axcodes(scan.original.affine),
        channels=tuple(
            _channel(array, foreground, background, hashes[channel.name])
            for array, background, channel in zip(scan.channels, foreground.backgrounds, channels)
        ),
        look=look_at(scan, foreground),
        files=hashes,
        mask_voxels=None if ids is None else _voxels_hash(ids > 0),
        lesion_volumes_mm3=tuple(volumes.values()),
        lesion_kinds=tuple(int(scan.kinds.classes[lesion]) for lesion in volumes)
        if scan.kinds
        else (),
        lesion_ml=0.0
        if ids is None
        else float(np.count_nonzero(ids > 0) * geometry.voxel_volume(scan.affine) / 1000),
        fine=thumbnail(scan.channels[0], foreground.inside, box, FINE),
        picture=slice_picture(scan.channels[0], ids, scan.affine, box),
        notes=scan.notes,
    )


def _channel(
    array: NDArray[Any], foreground: Foreground, background: Background, file: str
) -> ChannelMeasures:
    inside = body_sample(array, foreground, background)
    top, floor = float(inside.max()), float(inside.min())
    at_top = inside >= top
    return ChannelMeasures(
        file=file,
        voxels=_voxels_hash(array),
        bad_percent=100 * float(1 - np.isfinite(array).mean()),
        top_percent=100 * float(at_top.mean()),
        below_top_percent=100 * float(((inside >= top - 0.02 * (top - floor)) & ~at_top).mean()),
    )


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
