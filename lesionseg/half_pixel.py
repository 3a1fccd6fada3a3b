"""Linear interpolation between the pixels of an image and the cells of a mask inside a box.

Cell j of a box's m x m mask stands at low + (j + 0.5) / m * (high - low); pixel i of the image
stands at i + 0.5. Written for numpy arrays and torch tensors alike, with operators only, so that
the networks and the torch-free audit of lesions share one arithmetic.
"""

from __future__ import annotations

from typing import Any


def cell_places(cells: Any, low: Any, high: Any, size: int) -> Any:
    """Where cells stand in the image. cells: numbers from 0 of one axis. size: cells of that axis.

    low, high: the box's edges, which broadcast with `cells`.
    """
    return low + (cells + 0.5) / size * (high - low)


def places_in_cells(places: Any, low: Any, length: Any, size: int) -> Any:
    """Inverse: image places in numbers of cells; beyond the outermost cells, those.

    length: of the box along the axis, above 0.
    """
    return ((places - low) / length * size - 0.5).clip(0, size - 1)


def linear_weights(places: Any, centres: Any) -> Any:
    """Weights (..., P, N) of points at `places` (..., P) on `centres` (N,), one apart."""
    return (1 - abs(places[..., None] - centres)).clip(0)
