"""A lesion as viewers list it: a number in a labelmap, a name, a colour."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

GOLDEN = 0.61803398875  # of the circle of hues, from a number to the next: neighbours differ most


@dataclass(frozen=True)
class Segment:
    """number: its voxels' value in the labelmap, from 1. layer: in which of the labelmaps, from 0;
    there are several where lesions lie inside one another. colour: red, green and blue, 0-255.
    diameter_mm: of the sphere of equal volume. score: in [0, 1].
    """

    number: int
    name: str
    lesion_class: str
    colour: tuple[int, int, int]
    score: float
    volume_mm3: float
    diameter_mm: float
    layer: int = 0


def numbered_colour(number: int) -> tuple[int, int, int]:
    """A colour for each number, bright, unlike those of the next numbers."""
    hue = (number * GOLDEN) % 1.0
    return _bytes(
        colorsys.hsv_to_rgb(hue, 0.55 + 0.4 * (number % 2), 1.0 - 0.2 * (number % 3 == 2))
    )


def shade(colour: tuple[int, int, int], number: int) -> tuple[int, int, int]:
    """One of five shades of a colour, by number: lesions of a class look alike and not the same."""
    part = 1.0 - 0.12 * (number % 5)
    return _bytes((part * colour[0] / 255, part * colour[1] / 255, part * colour[2] / 255))


def _bytes(colour: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue
