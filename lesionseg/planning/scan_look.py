"""How a scan and its mask look: a few numbers by which doubtful ones are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.lesion_kinds import LesionKinds
from lesionseg.planning.likeness import ROUGH, as_text, thumbnail
from lesionseg.reading.foreground import Background, Foreground, faces
from lesionseg.reading.scans import LoadedScan

MAX_SAMPLES = 200_000
MAX_LESIONS = 40  # of a scan, the largest, on which the contrast is measured
DECIMALS = 4  # of a contrast
RING = 2  # voxels around a lesion to which it is compared
WAYS = ("left to right", "front to back", "head to foot")


@dataclass(frozen=True)
class ChannelLook:
    """Of one image. levels: percentiles 1, 50, 99 and the maximum inside the body. border: median
    of the volume's outermost voxels. rough: thumbnail of 12 voxels a side, as text."""

    minimum: float
    levels: tuple[float, float, float, float]
    border: float
    rough: str


@dataclass(frozen=True)
class ClassLook:
    """Of the lesions of one class in one scan. lesions: how many were measured. contrasts: by
    channel, the median over them of how far each differs from what surrounds it, in standard
    deviations of the body."""

    number: int
    lesions: int
    contrasts: tuple[float, ...]


@dataclass(frozen=True)
class ScanLook:
    """Of one scan, canonical RAS. lesion_air_percent: lesion voxels that lie outside the body's
    hull, where every channel is as dark as air; lesions_in_air: lesions of such voxels alone.
    contrast: of lesions to what surrounds them, in standard deviations of the body, in the channel
    that shows them best; mirrored: the same with the mask turned over along each axis. classes: of
    each class that has lesions here, ascending."""

    channels: tuple[ChannelLook, ...]
    lesion_air_percent: float = 0.0
    lesions_in_air: int = 0
    contrast: float = 0.0
    mirrored: tuple[float, float, float] = (0.0, 0.0, 0.0)
    classes: tuple[ClassLook, ...] = ()


def look_at(scan: LoadedScan, foreground: Foreground) -> ScanLook:
    """Measure a loaded scan."""
    box = geometry.bounding_box(foreground.inside)
    looks = tuple(
        _channel(array, foreground, background, box)
        for array, background in zip(scan.channels, foreground.backgrounds)
    )
    ids = scan.lesion_ids
    if ids is None or not (ids > 0).any():
        return ScanLook(looks)
    assert scan.kinds is not None
    contrast, *mirrored = (
        _contrast(scan.channels, turned, looks)
        for turned in (ids, ids[::-1], ids[:, ::-1], ids[:, :, ::-1])
    )
    x, y, z = mirrored
    percent, in_air = _lesion_air(scan, ids, foreground)
    classes = _classes(scan.channels, ids, scan.kinds, looks)
    return ScanLook(looks, percent, in_air, contrast, (x, y, z), classes)


def body_sample(
    array: NDArray[Any], foreground: Foreground, background: Background
) -> NDArray[np.float32]:
    """A regular sample of a channel's finite voxels in the body's hull, padding left out; of all
    finite ones where there is none."""
    every = max(1, int((array.size / MAX_SAMPLES) ** (1 / 3)))
    window = (slice(None, None, every),) * 3
    sample = np.asarray(array[window], np.float32)
    inside = sample[foreground.hull[window] & np.isfinite(sample)]
    if background.padding is not None:
        inside = inside[inside != background.padding]
    return inside if inside.size else sample[np.isfinite(sample)]


def _channel(
    array: NDArray[Any], foreground: Foreground, background: Background, box: Any
) -> ChannelLook:
    inside = body_sample(array, foreground, background)
    low, middle, high, top = (float(v) for v in np.percentile(inside, (1, 50, 99, 100)))
    border = faces(array).astype(np.float32)
    border = border[np.isfinite(border)]
    minimum = float(array.min())
    if not np.isfinite(minimum):  # a voxel is not: a copy of the others is made
        minimum = float(array[np.isfinite(array)].min())
    return ChannelLook(
        minimum=minimum,
        levels=(low, middle, high, top),
        border=float(np.median(border)) if border.size else 0.0,
        rough=as_text(thumbnail(array, foreground.inside, box, ROUGH)),
    )


def _lesion_air(
    scan: LoadedScan, ids: NDArray[np.int32], foreground: Foreground
) -> tuple[float, int]:
    lesion = ids > 0
    box = geometry.bounding_slices(lesion)
    assert box is not None
    shown = np.zeros(lesion[box].shape, bool)
    for channel, background in zip(scan.channels, foreground.backgrounds):
        values = np.asarray(channel[box], np.float32)
        within = foreground.hull[box] & np.isfinite(values) & (values != background.padding)
        shown |= background.shown(values) | within
    shown &= foreground.inside[box]
    own, seen = ids[box][lesion[box]], shown[lesion[box]]
    in_air = set(np.unique(own).tolist()) - set(np.unique(own[seen]).tolist())
    return 100 * float(1 - seen.mean()), len(in_air)


def _contrast(
    channels: Sequence[NDArray[Any]], ids: NDArray[np.int32], looks: Sequence[ChannelLook]
) -> float:
    """Mean over the largest lesions of how far each differs from the ring around it, the same way,
    in the channel where that is most."""
    sizes = np.bincount(ids[ids > 0])
    largest = {int(lesion) for lesion in np.argsort(-sizes, kind="stable")[:MAX_LESIONS]}
    sums, num = np.zeros(len(channels)), 0
    for lesion, box in enumerate(ndimage.find_objects(ids), 1):
        if box is None or lesion not in largest:
            continue
        around, own, ring = _ring(ids, lesion, box)
        near = ring & (ids[around] == 0)
        differences = [_difference(channel[around], own, near) for channel in channels]
        if np.isfinite(differences).all():
            sums, num = sums + differences, num + 1
    return float(np.abs(sums / _spreads(looks)).max() / num) if num else 0.0


def _classes(
    channels: Sequence[NDArray[Any]],
    ids: NDArray[np.int32],
    kinds: LesionKinds,
    looks: Sequence[ChannelLook],
) -> tuple[ClassLook, ...]:
    """On the largest lesions of each class, of which those inside others are compared to these."""
    sizes = np.bincount(ids[ids > 0], minlength=len(kinds.classes))
    boxes = ndimage.find_objects(ids)
    found = []
    for number in kinds.numbers:
        own_class = np.flatnonzero((kinds.classes == number) & (sizes > 0))
        rows = []
        for lesion in own_class[np.argsort(-sizes[own_class], kind="stable")][:MAX_LESIONS]:
            around, own, ring = _ring(ids, int(lesion), boxes[lesion - 1])
            outside = ring & (ids[around] == 0)
            near = outside if outside.any() else ring & (ids[around] > 0)
            row = [_difference(channel[around], own, near) for channel in channels]
            if np.isfinite(row).all():
                rows.append(np.divide(row, _spreads(looks)))
        if rows:
            middle = tuple(round(float(one), DECIMALS) for one in np.median(rows, axis=0))
            found.append(ClassLook(number, len(rows), middle))
    return tuple(found)


def _ring(
    ids: NDArray[np.int32], lesion: int, box: tuple[slice, ...]
) -> tuple[tuple[slice, ...], NDArray[np.bool_], NDArray[np.bool_]]:
    """A window around a lesion, and in it the lesion and the voxels next to it."""
    around = tuple(slice(max(0, s.start - RING), s.stop + RING) for s in box)
    own = ids[around] == lesion
    return around, own, ndimage.binary_dilation(own, iterations=RING) & ~own


def _spreads(looks: Sequence[ChannelLook]) -> list[float]:
    """About one standard deviation of the body, by channel."""
    return [(look.levels[2] - look.levels[0]) / 4 or np.inf for look in looks]


def _difference(values: NDArray[Any], own: NDArray[np.bool_], near: NDArray[np.bool_]) -> float:
    if not near.any():
        return float("nan")
    return float(values[own].mean(dtype=np.float64) - values[near].mean(dtype=np.float64))
