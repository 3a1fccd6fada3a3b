"""nnU-Net raw: dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, imagesTs, ..."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.datasets.layouts.dataset_json import FILE, read_dataset_json
from lesionseg.datasets.layouts.scan_files import (
    Layout,
    ScanFiles,
    Split,
    check_case_id,
    counted,
    entries,
    patient_of,
    whole,
)
from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.safe_path import path_inside


def read_nnunet(root: Path, *, patient: str | None = None) -> Layout:
    """The scans of an nnU-Net raw folder, version 1 or 2 of its dataset.json.

    patient: as in `patient_of`; by default each case is its own patient.
    Raises NoInputError where there is no dataset.json or no scan, UsageError where it is malformed.
    """
    root = Path(root)
    known = read_dataset_json(root, "an nnU-Net raw folder")
    channels, ending, listed = known.channels, known.ending, known.content.get("dataset")
    if listed is not None:
        found = list(_listed(root, listed, len(channels), patient))
    else:
        found = [
            scan for part in ("Tr", "Ts") for scan in _folder(root, part, ending, channels, patient)
        ]
    if not found:
        raise NoInputError(f"no scan named CASE_0000{ending} in {root.name}/imagesTr or imagesTs")
    scans, rejected = whole(root, found, channels)
    return Layout(scans, rejected, channels, known.labels, counted("nnU-Net raw", scans, rejected))


def _folder(
    root: Path, part: str, ending: str, channels: Sequence[str], patient: str | None
) -> Iterator[ScanFiles]:
    """Cases of imagesTr or imagesTs, and those of labelsTr that have no image."""
    split: Split = "train" if part == "Tr" else "test"
    images, labels = root / f"images{part}", root / f"labels{part}"
    pattern = re.compile(r"(?P<case>.+)_\d{4}" + re.escape(ending))
    cases = {match["case"] for path in entries(images) if (match := pattern.fullmatch(path.name))}
    masks = {path.name[: -len(ending)] for path in entries(labels) if path.name.endswith(ending)}
    for case in sorted(cases | masks):
        paths = tuple(images / f"{case}_{index:04d}{ending}" for index in range(len(channels)))
        mask = labels / f"{case}{ending}" if split == "train" or case in masks else None
        yield ScanFiles(case, patient_of(case, patient), split, paths, mask)


def _listed(root: Path, listed: Any, wanted: int, patient: str | None) -> Iterator[ScanFiles]:
    """Training cases that dataset.json lists itself under "dataset", paths relative to it."""
    if not isinstance(listed, Mapping):
        raise UsageError(f"{root.name}/{FILE}: 'dataset' is no map of cases")
    for case, entry in listed.items():
        check_case_id(case, f"{root.name}/{FILE}")
        try:
            images = tuple(path_inside(root, str(image)) for image in entry["images"])
            mask = path_inside(root, str(entry["label"]))
        except (KeyError, TypeError) as error:
            raise UsageError(f"{root.name}/{FILE}: case {case} lacks {error}") from error
        yield ScanFiles(case, patient_of(case, patient), "train", images[:wanted], mask)
