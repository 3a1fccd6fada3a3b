"""Slices as pictures: grey image, outlines of masks along voxel edges, written as PNG.

Arrays are canonical RAS. A slice is shown as radiologists look at it: the patient's right at the
left of the picture, front or head at the top; from the side, front at the left.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

REFERENCE_COLOUR = "#ffffff"
PLANES = {2: "axial", 1: "coronal", 0: "sagittal"}


@dataclass(frozen=True, eq=False)
class Outline:
    """A mask (H, W) of a slice, drawn along its edge in a colour. turn of turns: where outlines
    coincide, each is drawn on its share of the pixels, so that none hides another."""

    mask: NDArray[np.bool_]
    colour: str
    turn: int = 0
    turns: int = 1


def take_slice(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """Slice of a RAS array (X, Y, Z) as rows from top to bottom, columns from left to right."""
    plane = np.take(array, index, axis=axis)
    return plane.T[::-1, ::-1]


def grey_window(image: NDArray[Any]) -> tuple[float, float]:
    """The intensities shown black and white: percentiles 1 and 99.5 of what is not background."""
    sample = image[:: max(1, image.shape[0] // 96), :: max(1, image.shape[1] // 96)]
    values = sample[np.isfinite(sample)].astype(np.float64)
    inside = values[values > values.min()] if len(values) else values
    if len(inside) == 0:
        return 0.0, 1.0
    low, high = np.percentile(inside, [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def draw_slice(
    image: NDArray[Any],
    window: tuple[float, float],
    outlines: Sequence[Outline],
    *,
    scale: tuple[int, int],
    thickness: int = 1,
) -> NDArray[np.uint8]:
    """An RGB picture (H * scale, W * scale, 3) of a slice with outlines on it."""
    low, high = window
    grey = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
    tall = np.kron(np.nan_to_num(grey), np.ones(scale))
    picture = np.repeat((255 * tall[..., None]).astype(np.uint8), 3, axis=2)
    for outline in outlines:
        edge = _edge(np.kron(outline.mask, np.ones(scale, bool)), thickness)
        if outline.turns > 1:
            rows, columns = np.indices(edge.shape)
            edge &= ((rows + columns) // (2 * thickness + 1)) % outline.turns == outline.turn
        picture[edge] = _rgb(outline.colour)
    return picture


def _edge(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.bool_]:
    """The pixels of `mask` within `thickness` of its outside."""
    inner = mask.copy()
    for _ in range(thickness):
        padded = np.pad(inner, 1)
        inner = (
            padded[1:-1, 1:-1]
            & padded[2:, 1:-1]
            & padded[:-2, 1:-1]
            & padded[1:-1, 2:]
            & padded[1:-1, :-2]
        )
    return mask & ~inner


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode an RGB picture (H, W, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Bytes as a data URI."""
    return f"data:{kind};base64," + base64.b64encode(content).decode()
