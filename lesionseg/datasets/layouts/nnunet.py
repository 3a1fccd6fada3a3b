"""nnU-Net raw: dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, imagesTs, ..."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.datasets.layouts.dataset_json import FILE, DatasetJson, read_dataset_json
from lesionseg.datasets.layouts.scan_files import (
    Layout,
    ScanFiles,
    Split,
    check_case_id,
    entries,
    patient_of,
    scans_found,
    whole,
)
from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.formats import is_image_name, strip_suffix
from lesionseg.storage.safe_path import path_within

IMAGE = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
NAMED = 3  # files that a message names

Stems = Mapping[str, Path]  # the files of a folder by their names without ending


def read_nnunet(root: Path, *, patient: str | None = None, masks: bool = True) -> Layout:
    """The scans of an nnU-Net raw folder, version 1 or 2 of its dataset.json.

    Files may have any ending that is read; of two that differ in it alone, the one with the
    file_ending of dataset.json is taken. patient: as in `patient_of`; by default each case is its
    own patient. masks: as in `whole`.
    Raises NoInputError where there is no dataset.json or no scan, UsageError where it is malformed,
    where imagesTs holds files that are no images of its cases, and for a case in both parts.
    """
    root = Path(root)
    known = read_dataset_json(root, "an nnU-Net raw folder")
    channels, listed = known.channels, known.content.get("dataset")
    if listed is not None:
        found = list(_listed(root, listed, len(channels), patient))
    else:
        found = [
            scan for part in ("Tr", "Ts") for scan in _folder(root, part, known, patient, masks)
        ]
        _refuse_cases_in_both(root, found)
    if not found:
        ending = known.ending
        raise NoInputError(f"no scan named CASE_0000{ending} in {root.name}/imagesTr or imagesTs")
    scans, rejected = whole(root, found, channels, masks=masks)
    return Layout(
        scans,
        rejected,
        channels,
        known.labels,
        scans_found("nnU-Net raw", scans, rejected),
        masks=f"those listed in {FILE}" if listed is not None else _mask_folders(root),
        order=known.order,
    )


def _mask_folders(root: Path) -> str:
    return ", ".join(name for name in ("labelsTr", "labelsTs") if (root / name).is_dir())


def _folder(
    root: Path, part: str, known: DatasetJson, patient: str | None, with_masks: bool
) -> Iterator[ScanFiles]:
    """Cases of imagesTr or imagesTs, and those of labelsTr that have no image."""
    split: Split = "train" if part == "Tr" else "test"
    images = _stems(root / f"images{part}", known.ending)
    masks = _stems(root / f"labels{part}", known.ending) if with_masks else {}
    matches = {stem: IMAGE.fullmatch(stem) for stem in images}
    if split == "test":
        _refuse_strangers(root, [images[stem] for stem, match in matches.items() if match is None])
    cases = {match["case"] for match in matches.values() if match}
    for case in sorted(cases | set(masks)):
        paths = tuple(
            images.get(stem, root / f"images{part}" / f"{stem}{known.ending}")
            for stem in (f"{case}_{index:04d}" for index in range(len(known.channels)))
        )
        mask = masks.get(case)
        if mask is None and split == "train":
            mask = root / "labelsTr" / f"{case}{known.ending}"
        yield ScanFiles(case, patient_of(case, patient), split, paths, mask)


def _stems(folder: Path, ending: str) -> Stems:
    """The images of a folder by their names without ending."""
    found: dict[str, Path] = {}
    for path in entries(folder):
        if path.name.endswith(ending):
            found[path.name[: -len(ending)]] = path
        elif is_image_name(path.name):
            found.setdefault(strip_suffix(path.name), path)
    return found


def _refuse_strangers(root: Path, strangers: Sequence[Path]) -> None:
    """UsageError for files of imagesTs that are no CASE_0000: test sets do not shrink unseen."""
    if not strangers:
        return
    names = ", ".join(path.name for path in strangers[:NAMED])
    more = ", ..." if len(strangers) > NAMED else ""
    raise UsageError(
        f"{root.name}/imagesTs holds {len(strangers)} images without a channel number: {names}"
        f"{more}; want names like CASE_0000.nii.gz: rename them, or move them away"
    )


def _refuse_cases_in_both(root: Path, found: Sequence[ScanFiles]) -> None:
    parts = {
        split: {scan.case for scan in found if scan.split == split} for split in ("train", "test")
    }
    if both := sorted(parts["train"] & parts["test"]):
        more = ", ..." if len(both) > NAMED else ""
        raise UsageError(
            f"{root.name} has {len(both)} cases in both imagesTr and imagesTs: "
            f"{', '.join(both[:NAMED])}{more}; rename those of one side"
        )


def _listed(root: Path, listed: Any, wanted: int, patient: str | None) -> Iterator[ScanFiles]:
    """Training cases that dataset.json lists itself under "dataset", paths relative to it."""
    if not isinstance(listed, Mapping):
        raise UsageError(f"{root.name}/{FILE}: 'dataset' is no map of cases")
    for case, entry in listed.items():
        check_case_id(case, f"{root.name}/{FILE}")
        try:
            images = tuple(path_within(root, str(image)) for image in entry["images"])
            mask = path_within(root, str(entry["label"]))
        except (KeyError, TypeError) as error:
            raise UsageError(f"{root.name}/{FILE}: case {case} lacks {error}") from error
        yield ScanFiles(case, patient_of(case, patient), "train", images[:wanted], mask)
