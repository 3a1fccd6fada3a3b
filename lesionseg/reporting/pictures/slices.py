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

REFERENCE_COLOUR = "#f4ff61"
CLASS_COLOURS = (  # told apart from each other and from the models' colours, on dark scans
    *(REFERENCE_COLOUR, "#ff4fd8", "#00e5e5", "#9a6bff"),
    *("#7dff3e", "#ff5050", "#c8873a", "#ffffff"),
)
TINT = 0.5  # of a colour that is laid over the image
PLANES = {2: "axial", 1: "coronal", 0: "sagittal"}
IN_PLANE = ((1, 2), (0, 2), (0, 1))  # array axes across and down a slice, by the axis it cuts


@dataclass(frozen=True, eq=False)
class Outline:
    """A mask (H, W) of a slice, drawn along the inside of its edge in a colour.

    Where outlines coincide none hides another: this one has the pixels of its turn of `turns`.
    """

    mask: NDArray[np.bool_]
    colour: str
    turn: int = 0
    turns: int = 1


def class_colour(number: int) -> str:
    """The colour of a lesion class, numbered from 1."""
    return CLASS_COLOURS[(number - 1) % len(CLASS_COLOURS)]


def take_slice(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """Slice of a RAS array (X, Y, Z) as rows from top to bottom, columns from left to right."""
    plane = np.take(array, index, axis=axis)
    return plane.T[::-1, ::-1]


def grey_window(image: NDArray[Any]) -> tuple[float, float]:
    """The intensities shown black and white: percentiles 1 and 99.9 of what is not background."""
    step = max(1, round((image.size / 2e5) ** (1 / image.ndim)))
    values = image[(slice(None, None, step),) * image.ndim].astype(np.float64)
    values = values[np.isfinite(values)]
    inside = values[values > values.min()] if len(values) else values
    if len(inside) == 0:
        return 0.0, 1.0
    low, high = np.percentile(inside, [1, 99.9])
    return float(low), float(max(high, low + 1e-6))


def draw_slice(
    image: NDArray[Any],
    window: tuple[float, float],
    outlines: Sequence[Outline],
    size: tuple[int, int],
    *,
    thickness: int = 1,
    tints: Sequence[tuple[NDArray[np.bool_], str]] = (),
) -> NDArray[np.uint8]:
    """A picture (rows, columns, 3) of `size` of a slice (H, W); nearest voxels, so edges show.

    tints: masks (H, W) that are laid over the image in a colour, below the outlines.
    """
    low, high = window
    grey = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, image.shape))
    picture = np.repeat(
        (255 * np.nan_to_num(grey)[rows][:, columns, None]).astype(np.uint8), 3, axis=2
    )
    for mask, colour in tints:
        inside = mask[rows][:, columns]
        mixed = (1 - TINT) * picture[inside] + TINT * np.array(rgb(colour))
        picture[inside] = mixed.astype(np.uint8)
    diagonal = np.add.outer(np.arange(size[0]), np.arange(size[1])) // (4 * thickness)
    for outline in outlines:
        edge = _edge(outline.mask[rows][:, columns], thickness)
        if outline.turns > 1:
            others = [o.mask for o in outlines if o is not outline]
            shared = np.any([_edge(m[rows][:, columns], thickness) for m in others], axis=0)
            edge &= ~shared | (diagonal % outline.turns == outline.turn)
        picture[edge] = rgb(outline.colour)
    return picture


def _edge(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.bool_]:
    """The pixels of `mask` within `thickness` of its outside."""
    inner = mask.copy()
    for _ in range(thickness):
        wide = np.pad(inner, 1)
        inner &= wide[2:, 1:-1] & wide[:-2, 1:-1] & wide[1:-1, 2:] & wide[1:-1, :-2]
    return mask & ~inner


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour like #f4ff61."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture (H, W, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Bytes as a data URI."""
    return f"data:{kind};base64," + base64.b64encode(content).decode()
