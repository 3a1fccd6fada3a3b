"""Where a scan shows head or body, and where only air around it.

Air is what lies outside the body's hull. Inside the hull nothing is air, however dark it is: lungs
are open to the air through the trachea, and lesions may be as dark as it.
"""

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
from lesionseg.datasets.layouts.scan_files import channel_words
from lesionseg.errors import CaseError
from lesionseg.structures import Affine

COARSE_MM = 2.5  # the outline is found on voxels of about this size
CT_AIR_HU = -1000.0
CT_DARK_HU = -500.0  # between lungs and fat
DARK = 0.1  # of the way from the 2nd to the 98th percentile, up to which MRI is air
RIM = 2  # coarse voxels that the foreground reaches beyond the hull
PADDED = 0.05  # of the volume's faces that are padding, where there is any
PADDED_VOLUME = 0.01  # of the volume that is padding, where there is any
MASKED = 0.9  # of the faces that are padding where everything but the head was masked
EDGE = 1  # coarse voxels of a rim that masks leave half empty
NOISY = 0.5  # of the voxels at the edge that are dark where an image was padded and not masked
MRI_SPECK = 0.02  # of the largest piece, below which a piece of MRI is noise, if it is not bright
BRIGHT_SPECK = 30  # coarse voxels of a bright piece, below which it is noise
CT_SPECK = 3  # coarse voxels, below which a piece of CT is


@dataclass(frozen=True)
class Background:
    """Of one channel. threshold: at and below which a voxel is dark. air: what it shows where there
    is no body. padding: the value that fills what was not scanned, or was masked, at the volume's
    edge; None where there is none."""

    threshold: float
    air: float
    padding: float | None = None

    def shown(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values, of any shape, show tissue: finite, no padding, and not dark."""
        found = np.isfinite(values) & (values > self.threshold)
        if self.padding is not None:
            found &= values != self.padding
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class Foreground:
    """inside: (X, Y, Z) bool, the hull of head or body and some 5 mm around it. hull: (X, Y, Z)
    bool, without them. backgrounds: one a channel."""

    inside: NDArray[np.bool_]
    hull: NDArray[np.bool_]
    backgrounds: tuple[Background, ...]


def find_foreground(
    channels: Sequence[NDArray[Any]],
    affine: Affine,
    modalities: Sequence[Modality],
    case: str,
    names: Sequence[str] = (),
) -> Foreground:
    """The foreground of (X, Y, Z) channels on one grid; voxels that are not finite are air.

    A channel shows body above -500 HU in CT, and in MRI above the 2nd percentile by a tenth of the
    robust range (Smith 2002, BET), or, where all around the head was masked, wherever it was not.
    The value of padding is never body. The hull holds every voxel between two of the body along
    any axis, of all channels together. names: of the channels, for messages. Raises CaseError for
    a channel without contrast.
    """
    steps = [max(1, round(COARSE_MM / size)) for size in geometry.spacing(affine)]
    body = np.zeros(tuple(-(-n // step) for n, step in zip(channels[0].shape, steps)), bool)
    backgrounds = []
    for index, (channel, modality) in enumerate(zip(channels, modalities)):
        sample = np.asarray(channel[:: steps[0], :: steps[1], :: steps[2]], np.float32)
        background = _background(sample, modality, channel_words(names, index), case)
        backgrounds.append(background)
        body |= _without_specks(background.shown(sample), sample, background, modality)
    if not body.any():
        thresholds = [background.threshold for background in backgrounds]
        raise CaseError(case, f"no voxel is above air ({thresholds}); want a head or body")
    hull = _hull(body)
    inside = ndimage.binary_dilation(hull, np.ones((3, 3, 3)), iterations=RIM)
    shape = channels[0].shape
    return Foreground(
        _enlarged(inside, steps, shape), _enlarged(hull, steps, shape), tuple(backgrounds)
    )


def faces(array: NDArray[Any]) -> NDArray[Any]:
    """The voxels of the six faces of an array (X, Y, Z), one face after the other.

    Not by np.take, which copies the whole of an array that does not lie row by row.
    """
    sides = [np.moveaxis(array, axis, 0)[place] for axis in range(3) for place in (0, -1)]
    return np.concatenate([side.ravel() for side in sides])


def _background(
    sample: NDArray[np.float32], modality: Modality, what: str, case: str
) -> Background:
    finite = np.isfinite(sample)
    if not finite.any():
        raise CaseError(case, f"{what} has no finite voxel; want an image")
    values = sample[finite]
    if values.min() == values.max():
        raise CaseError(case, f"{what} is {values[0]:g} everywhere; want an image")
    padding, share = _padding(sample)
    if modality == "ct":
        return Background(CT_DARK_HU, CT_AIR_HU, padding)
    if padding is not None:
        values = values[values != padding]
        if share >= MASKED and not _shows_air(sample, padding):
            return Background(-np.inf, padding, padding)
    low, high = (float(value) for value in np.percentile(values, (2, 98)))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low:  # padding and one value more
        return Background(-np.inf, low if padding is None else padding, padding)
    return Background(low + DARK * (high - low), low, padding)


def _padding(sample: NDArray[np.float32]) -> tuple[float | None, float]:
    """The one value that fills a good part of the volume's faces and what is joined to them, and
    its share of the faces; (None, 0) where there is none. Never the brightest value."""
    outer = faces(sample)
    values, counts = np.unique(outer[np.isfinite(outer)], return_counts=True)
    if not counts.size:
        return None, 0.0
    value, share = float(values[counts.argmax()]), float(counts.max() / outer.size)
    if share < PADDED or value >= np.nanmax(np.where(np.isfinite(sample), sample, np.nan)):
        return None, 0.0
    pieces = cc3d.connected_components(np.ascontiguousarray(sample == value), connectivity=6)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    # scattered voxels of noise that have this value are not joined
    return (value, share) if sizes.max() >= PADDED_VOLUME * sample.size else (None, 0.0)


def _shows_air(sample: NDArray[np.float32], padding: float) -> bool:
    """Whether air lies between the padding and the body: what is not padding is dark at its edge.

    A masked head ends in tissue, if a thin and darker rim; an image that was padded ends in noise.
    """
    shown = np.isfinite(sample) & (sample != padding)
    inner = ndimage.binary_erosion(shown, iterations=EDGE)
    rim = inner & ~ndimage.binary_erosion(inner)
    if not rim.any():
        return False
    low, high = (float(value) for value in np.percentile(sample[shown], (2, 98)))
    return bool(np.mean(sample[rim] <= low + DARK * (high - low)) > NOISY)


def _without_specks(
    mask: NDArray[np.bool_],
    sample: NDArray[np.float32],
    background: Background,
    modality: Modality,
) -> NDArray[np.bool_]:
    """The mask without what noise may leave: of CT, where noise hardly reaches the threshold, every
    piece of some voxels is tissue, like a nodule in a cut-out of a lung; of other images every one
    that is far brighter than air, like a metastasis in a thigh that PET hardly shows."""
    if not mask.any():
        return mask
    labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    if modality == "ct":
        return np.asarray((sizes >= min(CT_SPECK, sizes.max()))[labels])
    kept = sizes >= MRI_SPECK * sizes.max()
    if np.isfinite(background.threshold):
        bright = mask & (sample > 2 * background.threshold - background.air)
        kept |= np.bincount(labels[bright], minlength=len(sizes)) >= BRIGHT_SPECK
    kept[0] = False
    return np.asarray(kept[labels])


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and all that lies between two of its voxels along an axis, until there is no more.

    It lies inside the convex hull and is found in a few passes.
    """
    found, before = mask, -1
    while (now := int(found.sum())) != before:
        before = now
        grown = found
        for axis in range(3):
            ahead = np.logical_or.accumulate(found, axis=axis)
            behind = np.flip(np.logical_or.accumulate(np.flip(found, axis), axis=axis), axis)
            grown = grown | (ahead & behind)
        found = grown
    return found


def _enlarged(
    mask: NDArray[np.bool_], steps: Sequence[int], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    for axis, (step, size) in enumerate(zip(steps, shape)):
        mask = np.repeat(mask, step, axis=axis).take(np.arange(size), axis=axis)
    return mask
