"""What a new scan has that no training scan had, in words: a model may not know what it sees.

A scan is predicted all the same: whether the masks are of use is for whoever reads the notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.datasets.dataset import Channel
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.doubts import UNLIKE, better_order, scan_doubts
from lesionseg.planning.likeness import ROUGH, from_text, unit_rows
from lesionseg.planning.plan import Plan
from lesionseg.planning.scan_look import ScanLook, look_at
from lesionseg.planning.training_scans import Range, TrainingScans
from lesionseg.reading.foreground import find_foreground
from lesionseg.reading.intensities import tissue_intensities
from lesionseg.reading.scans import LoadedScan, canonical_channels
from lesionseg.structures import Volume

BEYOND = 1.25  # times the largest spacing of training, or below the least of it divided by that
CUT = 0.75  # of the smallest field of view of training
MARGIN = 0.5  # of the range of training intensities, beyond which others lie
SLICES = ("sagittal", "coronal", "axial")  # by through-plane axis
WAYS = ("left to right", "back to front", "foot to head")


def unlike_training(volumes: Sequence[Volume], plan: Plan, case: str) -> tuple[str, ...]:
    """Notes about a scan, a sentence part each; none where it is as the training scans were.

    volumes: one a channel, in the order of the plan. Raises CaseError as preprocessing does.
    """
    seen = plan.scans
    if not seen.num_scans or len(volumes) != len(plan.channels):
        return ()
    names = [channel.name for channel in plan.channels]
    channels, affine = canonical_channels(volumes, case, names)
    modalities = [channel.modality for channel in plan.channels]
    foreground = find_foreground(channels, affine, modalities, case, names)
    grid = volumes[0].grid
    look = look_at(LoadedScan(case, channels, None, affine, grid, names=tuple(names)), foreground)
    notes = [*_grid_notes(geometry.spacing(affine), channels[0].shape, seen)]
    for number, planned in enumerate(plan.channels):
        values = tissue_intensities(
            channels[number], foreground, foreground.backgrounds[number], case
        )
        notes += _intensity_notes(values, planned, seen.low[number], seen.high[number])
    known = [Channel(name=one.name, modality=one.modality) for one in plan.channels]
    notes += [one.text for one in scan_doubts(case, look, known)]
    return (*notes, *_look_notes(look, names, seen.pictures))


def _grid_notes(
    spacing: Sequence[float], shape: Sequence[int], seen: TrainingScans
) -> Iterator[str]:
    slab, rows, columns = geometry.slab_axes(spacing)
    if slab not in seen.slab_axes:
        known = " and ".join(SLICES[axis] for axis in seen.slab_axes)
        yield f"its slices are {SLICES[slab]}, those of training {known}"
    for what, sizes, known_mm in (
        ("voxel size in a slice", (spacing[rows], spacing[columns]), seen.in_plane_mm),
        ("distance between slices", (spacing[slab],), seen.slab_mm),
    ):
        far = max(sizes, key=lambda mm: max(mm / known_mm[1], known_mm[0] / mm))
        if not known_mm[0] / BEYOND <= far <= known_mm[1] * BEYOND:
            yield f"{what} {far:.3g} mm, of training {_words(known_mm)} mm"
    for axis, known_mm in enumerate(seen.field_mm):
        length = spacing[axis] * shape[axis]
        if length < CUT * known_mm[0]:
            yield (
                f"field of view {length:.0f} mm {WAYS[axis]}, of training {_words(known_mm)} mm: "
                "part of the head or body may be missing"
            )


def _intensity_notes(
    values: NDArray[np.float32], planned: ChannelPlan, low: Range, high: Range
) -> Iterator[str]:
    """Of a channel with a unit; others have a scale of their own in each scan."""
    if planned.normalisation != "cohort":
        return
    margin = MARGIN * (high[1] - low[0])
    for percentile, known in ((0.5, low), (99.5, high)):
        found = float(np.percentile(values, percentile))
        if not known[0] - margin <= found <= known[1] + margin:
            yield (
                f"{planned.name}: the {percentile}th percentile of its intensities is {found:.4g}, "
                f"of training {_words(known)}"
            )


def _look_notes(
    look: ScanLook, names: Sequence[str], pictures: NDArray[np.int8] | None
) -> Iterator[str]:
    """Channels that look like another one of training, or unlike any."""
    if pictures is None:
        return
    own = np.stack([from_text(channel.rough, ROUGH) for channel in look.channels])
    rows, known = unit_rows(own), unit_rows(pictures)
    order = better_order(rows - rows.mean(axis=0), known - known.mean(axis=0))
    moved = [number for number, other in enumerate(order) if other != number]
    if moved:
        words = ", ".join(f"{names[n]} looks like {names[order[n]]} of training" for n in moved)
        yield f"channels look swapped: {words}"
        return
    for name, image, picture in zip(names, own, pictures):
        core = ndimage.binary_erosion(image != 0, iterations=2)
        if core.any():
            alike = float(unit_rows([image[core]])[0] @ unit_rows([picture[core]])[0])
            if alike <= UNLIKE:
                yield f"{name}: its contrast is unlike that of the training scans (r = {alike:.2f})"


def _words(known: Range) -> str:
    low, high = known
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
