"""The intensities of a channel: of tissue, and of what lies around the lesions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.reading.foreground import Background, Foreground
from lesionseg.structures import Affine

MAX_SAMPLES = 200_000
REACH_MM = 3.0  # around a lesion: its rim, against which it is seen


def tissue_intensities(
    channel: NDArray[Any], foreground: Foreground, background: Background, case: str
) -> NDArray[np.float32]:
    """A regular sample of the voxels inside the foreground that show tissue, float32.

    Raises CaseError where there is none.
    """
    every = max(1, int((channel.size / MAX_SAMPLES) ** (1 / 3)))
    window = (slice(None, None, every),) * 3
    sample = np.asarray(channel[window], np.float32)
    found = sample[foreground.inside[window] & background.shown(sample)]
    if not found.size:
        problem = f"a channel has nothing above {background.threshold:g} inside the foreground"
        raise CaseError(case, problem)
    return found


def middle_mean_and_spread(values: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and standard deviation between the 5th and 95th percentile of intensities (N,)."""
    low, high = np.percentile(values, (5, 95))
    middle = values[(values >= low) & (values <= high)]
    return float(middle.mean()), float(middle.std())


def range_at_lesions(
    channel: NDArray[Any],
    ids: NDArray[np.int32],
    affine: Affine,
    foreground: Foreground,
    background: Background,
) -> tuple[float, float] | None:
    """The least and the largest finite intensity of the lesions (X, Y, Z), and of what lies in the
    body's hull within 3 mm of them along the axes, padding left out; None where there is none."""
    reach = [max(1, round(REACH_MM / size)) for size in geometry.spacing(affine)]
    low, high = np.inf, -np.inf
    for box in ndimage.find_objects(ids):
        if box is None:
            continue
        around = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(box, reach))
        values = np.asarray(channel[around], np.float32)
        lesion = ids[around] > 0
        near = foreground.hull[around] & (values != background.padding) & _within(lesion, reach)
        values = values[(lesion | near) & np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else None


def _within(mask: NDArray[np.bool_], reach: list[int]) -> NDArray[np.bool_]:
    """What lies at most `reach` voxels from a mask (X, Y, Z), along each axis in turn."""
    for axis, voxels in enumerate(reach):
        mask = ndimage.maximum_filter1d(mask, 2 * voxels + 1, axis=axis)
    return mask
