"""The foreground of a scan, that is head or body, and where there is only air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.datasets.dataset import Modality
from lesionseg.errors import CaseError
from lesionseg.structures import Affine

COARSE_MM = 2.5  # the outline is found on voxels of about this size
CT_AIR_HU = -500.0
MAX_SAMPLES = 200_000


@dataclass(frozen=True, eq=False)
class Foreground:
    """inside: (X, Y, Z) bool, head or body without holes, and a little beyond its edge. core: the
    same without a rim, some 2.5 mm inside the edge. thresholds: by channel, the intensity at and
    below which a voxel outside the core is air.
    """

    inside: NDArray[np.bool_]
    core: NDArray[np.bool_]
    thresholds: tuple[float, ...]


def find_foreground(
    channels: Sequence[NDArray[Any]], affine: Affine, modalities: Sequence[Modality], case: str
) -> Foreground:
    """The foreground of (X, Y, Z) channels on one grid; voxels that are not finite are air.

    MRI: above the 2nd percentile by a tenth of the robust range (Smith 2002, BET); CT: above
    -500 HU. The largest component of each channel counts, holes are filled, channels are united.
    Raises CaseError for a channel without contrast.
    """
    steps = [max(1, round(COARSE_MM / size)) for size in geometry.spacing(affine)]
    coarse_shape = tuple(-(-n // step) for n, step in zip(channels[0].shape, steps))
    coarse = np.zeros(coarse_shape, bool)
    thresholds = []
    for index, (channel, modality) in enumerate(zip(channels, modalities)):
        sample = np.asarray(channel[:: steps[0], :: steps[1], :: steps[2]], np.float32)
        finite = np.isfinite(sample)
        if not finite.any():
            raise CaseError(case, f"channel {index} has no finite voxel; want an image")
        low, high = (float(value) for value in np.percentile(sample[finite], (2, 98)))
        if not high > low:
            low, high = float(sample[finite].min()), float(sample[finite].max())
        if not high > low:
            raise CaseError(case, f"channel {index} is {low:g} everywhere; want an image")
        threshold = CT_AIR_HU if modality == "ct" else low + 0.1 * (high - low)
        thresholds.append(threshold)
        coarse |= _largest(finite & (sample > threshold))
    if not coarse.any():
        raise CaseError(case, f"no voxel is above air ({thresholds}); want a head or body")
    filled = ndimage.binary_fill_holes(coarse)
    around = np.ones((3, 3, 3))
    inside = ndimage.binary_dilation(filled, around)
    core = ndimage.binary_erosion(filled, around, border_value=1)
    shape = channels[0].shape
    return Foreground(
        _enlarged(inside, steps, shape), _enlarged(core, steps, shape), tuple(thresholds)
    )


def find_air(channel: NDArray[Any], foreground: Foreground, threshold: float) -> NDArray[np.bool_]:
    """Where a channel (X, Y, Z), or the same crop of both, shows air or is not finite."""
    dark = ~(channel > threshold) & ~foreground.core
    return np.asarray(~foreground.inside | dark | ~np.isfinite(channel))


def foreground_intensities(
    channel: NDArray[Any], foreground: Foreground, threshold: float, case: str
) -> NDArray[np.float32]:
    """A regular sample of a channel's finite voxels inside the foreground and above air, float32.

    Raises CaseError where there is none.
    """
    every = max(1, int((channel.size / MAX_SAMPLES) ** (1 / 3)))
    window = (slice(None, None, every),) * 3
    sample = np.asarray(channel[window], np.float32)
    found = sample[foreground.inside[window] & np.isfinite(sample) & (sample > threshold)]
    if not found.size:
        raise CaseError(case, f"a channel has nothing above {threshold:g} inside the foreground")
    return found


def _enlarged(
    mask: NDArray[np.bool_], steps: Sequence[int], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    for axis, (step, size) in enumerate(zip(steps, shape)):
        mask = np.repeat(mask, step, axis=axis).take(np.arange(size), axis=axis)
    return mask


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    labels = cc3d.largest_k(np.ascontiguousarray(mask), k=1, connectivity=6)
    return np.asarray(labels > 0)
