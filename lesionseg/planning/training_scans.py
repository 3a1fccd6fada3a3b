"""What the training scans had in common, kept with a model: a new scan is compared with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.likeness import FEW, ROUGH, as_text, from_text, unit_rows

LARGEST_INT8 = 127
DIGITS = 5

Range = tuple[float, float]  # the least and the largest of all training scans


@dataclass(frozen=True)
class TrainingScans:
    """in_plane_mm, slab_mm: spacing in a slice and between slices. slab_axes: through-plane axes,
    0 to 2 of canonical RAS. field_mm: length of the field of view along R, A and S. low, high: by
    channel, the 0.5th and 99.5th percentile of the body's intensities. looks: by channel, the sum
    of rough pictures of the head or body, as text; empty of too few scans to tell others by."""

    num_scans: int = 0
    in_plane_mm: Range = (0.0, 0.0)
    slab_mm: Range = (0.0, 0.0)
    slab_axes: tuple[int, ...] = ()
    field_mm: tuple[Range, ...] = ()
    low: tuple[Range, ...] = ()
    high: tuple[Range, ...] = ()
    looks: tuple[str, ...] = ()

    @property
    def pictures(self) -> NDArray[np.int8] | None:
        """(C, ROUGH, ROUGH, ROUGH), the looks; None where there are too few scans."""
        if not self.looks:
            return None
        return np.stack([from_text(text, ROUGH) for text in self.looks])


def training_scans(fingerprints: Sequence[CaseFingerprint]) -> TrainingScans:
    """What is kept of the fingerprints of at least one training scan."""
    channels = range(len(fingerprints[0].intensities))
    fields = np.array([np.multiply(one.shape, one.spacing_mm) for one in fingerprints])
    return TrainingScans(
        num_scans=len(fingerprints),
        in_plane_mm=_range(mm for one in fingerprints for mm in one.in_plane_spacing_mm),
        slab_mm=_range(one.spacing_mm[one.slab_axis] for one in fingerprints),
        slab_axes=tuple(sorted({one.slab_axis for one in fingerprints})),
        field_mm=tuple(_range(fields[:, axis]) for axis in range(3)),
        low=tuple(_range(one.intensities[n][0] for one in fingerprints) for n in channels),
        high=tuple(_range(one.intensities[n][1] for one in fingerprints) for n in channels),
        looks=_looks(fingerprints),
    )


def joined_scans(several: Sequence[TrainingScans]) -> TrainingScans:
    """What the training scans of several models of the same channels had in common; nothing where
    one knows nothing of its own. A scan counts once for each; the looks are the first one's."""
    if not all(one.num_scans for one in several):
        return TrainingScans()

    def widest(ranges: Iterable[Range]) -> Range:
        lows, highs = zip(*ranges)
        return min(lows), max(highs)

    def each(name: str) -> tuple[Range, ...]:
        return tuple(widest(own) for own in zip(*(getattr(one, name) for one in several)))

    return TrainingScans(
        num_scans=sum(one.num_scans for one in several),
        in_plane_mm=widest(one.in_plane_mm for one in several),
        slab_mm=widest(one.slab_mm for one in several),
        slab_axes=tuple(sorted({axis for one in several for axis in one.slab_axes})),
        field_mm=each("field_mm"),
        low=each("low"),
        high=each("high"),
        looks=several[0].looks,
    )


def scans_from(content: Mapping[str, Any], num_channels: int) -> TrainingScans:
    """From plain data, whose numbers are checked. Raises KeyError where some are missing or no
    pictures."""
    known = {one.name: content[one.name] for one in dataclasses.fields(TrainingScans)}
    for name in ("field_mm", "low", "high"):
        known[name] = [tuple(one) for one in known[name]]
    made = TrainingScans(known.pop("num_scans"), **{k: tuple(one) for k, one in known.items()})
    counts = {len(made.low), len(made.high), len(made.looks or made.low)}
    if not made.num_scans:
        return made
    if counts != {num_channels} or len(made.field_mm) != 3 or not made.slab_axes:
        raise KeyError(f"scans of {sorted(counts)} channels, want {num_channels}")
    if min(*made.in_plane_mm, *made.slab_mm) <= 0:
        raise KeyError(f"scans of voxels of {made.in_plane_mm} x {made.slab_mm} mm")
    try:
        for text in made.looks:
            from_text(text, ROUGH)
    except ValueError as error:
        raise KeyError("looks of scans that are no pictures") from error
    return made


def _range(values: Iterable[float]) -> Range:
    found = [float(f"{value:.{DIGITS}g}") for value in values]
    return min(found), max(found)


def _looks(fingerprints: Sequence[CaseFingerprint]) -> tuple[str, ...]:
    roughs = [[channel.rough for channel in one.look.channels] for one in fingerprints]
    if len(roughs) < FEW or not all(roughs):
        return ()
    pictures = np.array([[from_text(text, ROUGH) for text in one] for one in roughs])
    total = np.sum([unit_rows(one) for one in pictures], axis=0)
    scaled = np.rint(total * LARGEST_INT8 / max(float(np.abs(total).max()), 1e-6))
    return tuple(as_text(row.astype(np.int8)) for row in scaled)
