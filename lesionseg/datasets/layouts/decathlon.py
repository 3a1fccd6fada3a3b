"""Medical Segmentation Decathlon: a dataset.json that lists its scans, one file for all channels.

The channels of a scan are the volumes of one 4D file; with one channel the file is 3D.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lesionseg.datasets.layouts.dataset_json import FILE, read_dataset_json
from lesionseg.datasets.layouts.scan_files import (
    Layout,
    ScanFiles,
    Split,
    check_case_id,
    patient_of,
    scans_found,
    whole,
)
from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.formats import strip_suffix
from lesionseg.storage.safe_path import path_within

WANTED = "a Medical Segmentation Decathlon folder"


def read_decathlon(root: Path, *, patient: str | None = None, masks: bool = True) -> Layout:
    """The scans that dataset.json lists under "training" ({image, label}) and "test" (images).

    patient: as in `patient_of`; by default each case is its own patient. masks: as in `whole`;
    without them neither the list of training scans nor a label is wanted. Raises NoInputError for
    no dataset.json or no scan, UsageError for a malformed one or a path that leaves the root.
    """
    root = Path(root)
    known = read_dataset_json(root, WANTED)
    training = known.content.get("training", None if masks else [])
    found = [
        *_scans(root, training, "train" if masks else "test", len(known.channels), patient),
        *_scans(root, known.content.get("test", []), "test", len(known.channels), patient),
    ]
    if not found:
        what = "training scan" if masks else "scan"
        raise NoInputError(f"{root.name}/{FILE} lists no {what}; want {WANTED}")
    scans, rejected = whole(root, found, known.channels, masks=masks)
    words = scans_found("Medical Segmentation Decathlon", scans, rejected)
    listed = f"those listed in {FILE}"
    return Layout(scans, rejected, known.channels, known.labels, words, listed, order=known.order)


def _scans(
    root: Path, listed: Any, split: Split, num_channels: int, patient: str | None
) -> Iterator[ScanFiles]:
    if not isinstance(listed, list):
        raise UsageError(f"{root.name}/{FILE} lacks its list 'training'; want {WANTED}")
    for place, entry in enumerate(listed):
        named = {"image": entry} if isinstance(entry, str) else entry
        try:
            image = path_within(root, str(named["image"]))
            label = named["label"] if split == "train" else named.get("label")
        except (KeyError, TypeError, AttributeError) as error:
            problem = f"{root.name}/{FILE}: entry {place} of {split} lacks {error}"
            raise UsageError(f"{problem}; want image and label") from error
        case = strip_suffix(image.name)
        check_case_id(case, f"{root.name}/{FILE}")
        volumes = tuple(range(num_channels)) if num_channels > 1 else ()
        yield ScanFiles(
            case,
            patient_of(case, patient),
            split,
            (image,) * num_channels,
            None if label is None else path_within(root, str(label)),
            volumes=volumes,
        )
