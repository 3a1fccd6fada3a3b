"""A slice's lesion pieces as the detector codes them, box and cells, in numpy: for the audit.

The boxes stand on whole pixels, so each axis has one set of weights; the interpolation is that of
`lesionseg.ops.mask_targets` and `paste_masks`, without torch, which the processes of preprocessing
do not load.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lesionseg.half_pixel import cell_places, linear_weights, places_in_cells

CELLS = 14  # a side of a mask, where no plan says otherwise
GROWN_PX = 1  # a side, around the tight box


def encode_piece(mask: NDArray[np.bool_], cells: int = CELLS) -> NDArray[np.float32]:
    """The cells (m, m) of a piece (h, w) in its tight box grown by a pixel a side."""
    padded = np.pad(mask, GROWN_PX).astype(np.float32)
    rows, columns = (_hats(size, cells) for size in padded.shape)
    return np.asarray(rows @ padded @ columns.T, np.float32)


def decode_piece(
    cells: NDArray[np.float32],
    shape: tuple[int, ...],
    corner: tuple[int, int],
    image: tuple[int, ...],
) -> tuple[slice, slice, NDArray[np.float32]]:
    """Inverse: values of the pixels in the grown box, and where they stand in the image (H, W).

    shape: (h, w) of the tight box. corner: its first row and column.
    """
    rows, columns = (_cell_weights(n + 2 * GROWN_PX, len(cells)) for n in shape)
    values = rows @ cells @ columns.T
    starts = [start - GROWN_PX for start in corner]
    stops = [start + n + GROWN_PX for start, n in zip(corner, shape)]
    low = [max(0, -start) for start in starts]
    high = [min(size, stop) - start for start, stop, size in zip(starts, stops, image)]
    where = [slice(start + a, start + b) for start, a, b in zip(starts, low, high)]
    return where[0], where[1], values[low[0] : high[0], low[1] : high[1]].astype(np.float32)


def _hats(length: int, cells: int) -> NDArray[np.float32]:
    """Linear weights (cells, length) of cell centres on the centres of `length` pixels."""
    places = cell_places(np.arange(cells), 0, length, cells)
    weights: NDArray[np.float32] = linear_weights(places, np.arange(length) + 0.5)
    return weights.astype(np.float32)


def _cell_weights(length: int, cells: int) -> NDArray[np.float32]:
    """Linear weights (length, cells) of pixel centres on cell centres; the outermost repeats."""
    places = places_in_cells(np.arange(length) + 0.5, 0, length, cells)
    weights: NDArray[np.float32] = linear_weights(places, np.arange(cells))
    return weights.astype(np.float32)
