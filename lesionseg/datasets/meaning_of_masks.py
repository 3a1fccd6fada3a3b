"""What the masks of a dataset hold, by its card and its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from lesionseg.datasets.cards.fields import Reading
from lesionseg.datasets.layouts import Layout, ScanFiles
from lesionseg.datasets.mask_labels import (
    MaskLabels,
    labels_by_class,
    labels_by_name,
    with_ignored,
    with_organ,
)
from lesionseg.errors import UsageError
from lesionseg.io.dicom.kinds import is_structure_set
from lesionseg.io.reading import STRICT, ReadingRule


def meaning_of_masks(layout: str, made: Layout, reading: Reading) -> tuple[MaskLabels, ReadingRule]:
    """What mask values mean, and how masks are read: the outlines wanted of a structure set are
    filled in with ones."""
    if not _outlined(made.scans):
        return _labels_of(layout, made, reading), STRICT
    if reading.classes or reading.ignore or reading.organ:
        raise UsageError(
            "the masks are RT structure sets, whose structures have names and no values; name "
            "those that are lesions with data.lesions, they are one class, and drop data.classes, "
            "data.organ and data.ignore"
        )
    rule = dataclasses.replace(STRICT, structures=reading.lesions)
    return MaskLabels(), rule


def _outlined(scans: Sequence[ScanFiles]) -> bool:
    """Whether the masks are RT structure sets, judged by the first."""
    first = next((scan.mask for scan in scans if scan.mask is not None), None)
    return first is not None and first.is_file() and is_structure_set(first)


def _labels_of(layout: str, made: Layout, reading: Reading) -> MaskLabels:
    """What mask values mean, by dataset.json or else the card."""
    labels = made.labels or {name: (value,) for name, value in reading.labels.items()}
    if reading.classes:
        found = labels_by_class(
            reading.classes,
            labels,
            regions=reading.regions,
        )
    else:
        if layout in ("bids", "table"):
            labels = labels or {"lesion": (1,)}  # neither says what its values mean
        found = labels_by_name(labels, reading.lesions, order=made.order)
    found = with_ignored(with_organ(found, reading.organ), reading.ignore)
    instances = reading.values == "instances"
    if instances and len(found.classes) > 1:
        names = ", ".join(found.classes.names)
        raise UsageError(f"mask values are lesion ids, of one class; got the classes {names}")
    return dataclasses.replace(found, instances=instances)
