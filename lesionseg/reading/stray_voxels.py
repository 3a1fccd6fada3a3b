"""Single voxels of a mask far out in the air: slips of the hand that decide nothing of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.reading.foreground import Foreground


def stray_voxels(
    channels: Sequence[NDArray[Any]], ids: NDArray[np.int32], foreground: Foreground
) -> NDArray[np.int64]:
    """(N, 3) places of the lesions of one voxel that lie outside the foreground, some 5 mm from
    head or body, where no channel shows more than air.

    No network can find such a lesion. One of more voxels, or a bright one, may be a lesion of a
    body part that was taken for air. channels: (X, Y, Z) each, on the grid of the ids.
    """
    places = np.argwhere((ids > 0) & ~foreground.inside)
    if not len(places):
        return places
    sizes = np.bincount(ids[ids > 0])
    at = tuple(places.T)
    dark = sizes[ids[at]] == 1
    for channel, background in zip(channels, foreground.backgrounds):
        dark &= ~background.shown(np.asarray(channel[at], np.float32))
    return places[dark]
