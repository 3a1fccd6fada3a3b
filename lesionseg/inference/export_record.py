"""CASE.json beside an exported mask: what made it, and the SHA-256 of every file that was written.

It is written last and taken away first, so that a case with it is whole.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from lesionseg import __version__
from lesionseg.errors import CaseError, UsageError
from lesionseg.inference.bids_files import BIDS, bids_files, bids_start
from lesionseg.inference.ensemble import Model
from lesionseg.io import read_volume
from lesionseg.io.reading import STRICT, ReadingRule, content_files
from lesionseg.io.segments.slicer import SEG_NRRD, is_seg_nrrd
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses, classes_from
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_file, sha256_of_files
from lesionseg.storage.provenance import read_record, withdraw

FORMAT = 3
HASHES = ("weights_sha256", "settings_sha256", "plan_sha256")
MADE_BY = (  # keys that are the same for all scans of a model
    "model",
    *HASHES,
    *("lesion_classes", "thresholds", "edges_mm", "members"),
)
DICOM = DICOM_SEG, DICOM_SR = "dicom_seg", "dicom_sr"  # the format, and folders of its files
BESIDE = {"files", "notes"}  # keys of a record that say nothing of what made it
FOLDERS = {"candidates": "candidates", "probability": "probabilities"}
VIEWER_FILES = {  # by format: where a case's file is, relative to the folder
    "seg_nrrd": f"seg_nrrd/{{case}}{SEG_NRRD}",
    "itk_snap": "instances/{case}.label.txt",
}


class State(Enum):
    """Of an exported case. EDITED: as wanted, but changed since, and still masks."""

    WHOLE = "whole"
    EDITED = "edited"
    ABSENT = "absent, damaged or made by something else"


def export_record(
    case: str,
    model: Model,
    inputs: Sequence[Path],
    *,
    rule: ReadingRule = STRICT,
    volumes: Sequence[int] = (),
    series: Sequence[str] = (),
) -> dict[str, Any]:
    """All that makes a case's files, to be taken before its inputs are read.

    A scan that is replaced while it is predicted is then seen to be another. Raises CaseError where
    one of `inputs` cannot be read.
    """
    return {
        "format": FORMAT,
        "case": case,
        **made_by(model),
        "assume_affine": rule.assume_affine,
        "dicom_irregular": rule.dicom_irregular,
        "dicom_series": rule.dicom_series,
        "fix_grid": rule.fix_grid,
        "uncovered": rule.uncovered,
        "volume": rule.volume,
        "volumes": list(volumes),
        "series": list(series),
        "input_sha256": [_file_sha256(case, path) for path in inputs],
        "lesionseg": __version__,
        "torch": torch.__version__,
    }


def made_by(model: Model) -> dict[str, Any]:
    """What of a record is the same for all scans of a model: the keys MADE_BY, members of an
    ensemble alone."""
    members = [{key: getattr(one, key) for key in HASHES} for one in model.members]
    return {
        "model": model.name,
        **{key: getattr(model, key) for key in HASHES},
        "lesion_classes": model.plan.lesion_classes.as_data,
        "thresholds": [point.as_data for point in model.points],
        "edges_mm": list(model.edges_mm),
        **({"members": members} if len(members) > 1 else {}),
    }


def write_record(
    folder: Path,
    case: str,
    record: Mapping[str, Any],
    extras: Sequence[str],
    notes: Sequence[str] = (),
) -> None:
    """Say that the case is whole: its files are there. notes: what was seen on reading the scan,
    which shapes no file. Raises OutputError."""
    names = exported_files(record, extras)
    written = {name: sha256_of_file(folder / name) for name in names}
    content = {**record, "notes": list(notes), "files": written}
    write_text(folder / f"{case}.json", json.dumps(content, indent=1) + "\n")


def recorded_classes(record: Mapping[str, Any]) -> LesionClasses:
    """The classes that a record tells apart."""
    return classes_from(record["lesion_classes"])


def probability_files(case: str, classes: LesionClasses) -> list[str]:
    """Where the probability of each class is written, relative to the folder."""
    if len(classes) == 1:
        return [f"{FOLDERS['probability']}/{case}.nii.gz"]
    return [f"{FOLDERS['probability']}/{folder}/{case}.nii.gz" for folder in classes.folders]


def dicom_files(case: str, classes: LesionClasses) -> list[tuple[str, str]]:
    """Segmentation and report, relative to the folder; of regions, which overlap, a pair each."""
    below = [f"{name}/" for name in classes.folders] if classes.regions else [""]
    return [(f"{DICOM_SEG}/{one}{case}.dcm", f"{DICOM_SR}/{one}{case}.dcm") for one in below]


def exported_files(record: Mapping[str, Any], extras: Sequence[str]) -> list[str]:
    """What an export writes beside the record, relative to the folder, in the order of writing."""
    case, classes = record["case"], recorded_classes(record)
    mask = f"{case}.nii.gz"
    return [
        f"instances/{mask}",
        f"lesions/{case}.csv",
        *([f"{FOLDERS['candidates']}/{mask}"] if "candidates" in extras else []),
        *(probability_files(case, classes) if "probability" in extras else []),
        *([f"candidates/{case}.csv"] if "candidates" in extras else []),
        *(place.format(case=case) for form, place in VIEWER_FILES.items() if form in extras),
        *(bids_files(case, record["model"]) if BIDS in extras else []),
        *(name for pair in dicom_files(case, classes) for name in pair if DICOM_SEG in extras),
        mask,
    ]


def exported_state(
    folder: Path, case: str, record: Mapping[str, Any], extras: Sequence[str]
) -> State:
    """Whether the case is there as `record` would make it, with the `extras`."""
    content = own_record(folder, case)
    if content is None or {k: content[k] for k in content.keys() - BESIDE} != dict(record):
        return State.ABSENT
    files = content["files"]
    names = exported_files(record, extras)
    if any(name not in files or not (folder / name).is_file() for name in names):
        return State.ABSENT
    changed = [name for name in names if sha256_of_file(folder / name) != files[name]]
    if not changed:
        return State.WHOLE
    return State.EDITED if all(_is_mask(folder / name, case) for name in changed) else State.ABSENT


def refuse_edited(folder: Path, case: str) -> None:
    """Raise UsageError for a mask, lesion ids or a segmentation that a person changed since they
    were exported, and that a new export would replace or a rejection remove."""
    written = (own_record(folder, case) or {"files": {}})["files"]
    for name, made in written.items():
        path = folder / name
        if path.is_file() and sha256_of_file(path) != made and _is_mask(path, case):
            raise UsageError(
                f"{folder.name}/{name} was changed after it was written, and would be replaced or "
                "removed; move it away, or give another output folder"
            )


def withdraw_export(folder: Path, case: str) -> None:
    """Remove every file of an exported case, its record first. Raises OutputError."""
    plain = {"case": case, "lesion_classes": ONE_CLASS.as_data}
    names = exported_files(plain, (*FOLDERS, *VIEWER_FILES))
    patterns = (
        f"{FOLDERS['probability']}/*/{glob.escape(case)}.nii.gz",
        *(f"{place}/{sub}{glob.escape(case)}.dcm" for place in DICOM for sub in ("", "*/")),
    )
    found = (path for pattern in patterns for path in folder.glob(pattern))
    names += [path.relative_to(folder).as_posix() for path in found]
    names += _own_bids(folder, case)
    withdraw(folder / name for name in (f"{case}.json", *reversed(names)))


def _own_bids(folder: Path, case: str) -> set[str]:
    """A case's BIDS files, relative to the folder; another case's may begin as they would."""
    found = folder.glob(f"{BIDS}/{bids_start(case)}_desc-*_dseg.*")
    names = {path.relative_to(folder).as_posix() for path in found}
    if names <= set((own_record(folder, case) or {"files": ()})["files"]):
        return names
    for other in other_exports(folder, [case]):
        names -= set((own_record(folder, other) or {"files": ()})["files"])
    return names


def refuse_foreign(folder: Path, cases: Iterable[str]) -> None:
    """Raise UsageError where an export would replace a mask that no export wrote.

    One whose export was interrupted has no record yet, but instances.
    """
    foreign = [
        case
        for case in cases
        if (folder / f"{case}.nii.gz").exists()
        and own_record(folder, case) is None
        and not (folder / f"instances/{case}.nii.gz").exists()
    ]
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise UsageError(
            f"{folder.name}/{foreign[0]}.nii.gz{more} was not written by lesionseg and would be "
            "replaced; give another output folder"
        )


def other_exports(folder: Path, cases: Iterable[str]) -> list[str]:
    """Exported cases of the folder that are not among `cases`."""
    found = {path.name.removesuffix(".json") for path in folder.glob("*.json")} - set(cases)
    return sorted(case for case in found if own_record(folder, case) is not None)


def exported_cases(folder: Path, made_by: Sequence[Mapping[str, Any]]) -> list[str]:
    """Exported cases of the folder that one of some models predicted. made_by: of each, its part of
    their records."""
    return [case for case in other_exports(folder, ()) if record_by(folder, case, made_by)]


def record_by(
    folder: Path, case: str, made_by: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The record of a case that one of some models predicted; None where none did."""
    record = own_record(folder, case) or {}
    found = {key: record[key] for key in MADE_BY if key in record}
    return record if found in [dict(one) for one in made_by] else None


def own_record(folder: Path, case: str) -> dict[str, Any] | None:
    """The record of an exported case; None where there is none that an export wrote."""
    content = read_record(folder / f"{case}.json")
    if content is None or content.get("case") != case or "weights_sha256" not in content:
        return None
    return content if isinstance(content.get("files"), dict) else content | {"files": {}}


def _is_mask(path: Path, case: str) -> bool:
    """Whether a file is a volume that can be read to its last voxel."""
    if path.name.endswith(SEG_NRRD):
        return is_seg_nrrd(path)
    if not path.name.endswith(".nii.gz"):
        return False
    try:
        read_volume(path, case=case)
    except CaseError:
        return False
    return True


def _file_sha256(case: str, path: Path) -> str:
    try:
        return sha256_of_files(content_files(path))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
