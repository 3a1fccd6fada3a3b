"""Label descriptions of ITK-SNAP: names and colours of the numbers in a labelmap, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lesionseg.io.segments.segment import Segment
from lesionseg.storage.atomic import write_text

HEAD = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# IDX: number in the labelmap; A: opacity; VIS, MSH: shown in slices, as a surface
################################################
    0     0    0    0        0  0  0    "Clear Label"
"""


def write_label_descriptions(path: Path, segments: Sequence[Segment]) -> None:
    """Write a line a segment, to be imported beside its labelmap. Raises OutputError."""
    lines = []
    for segment in segments:
        red, green, blue = segment.colour
        name = segment.name.replace('"', "'")
        lines.append(
            f'{segment.number:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name}"\n'
        )
    write_text(path, HEAD + "".join(lines))
