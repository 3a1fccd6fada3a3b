"""Preprocessed cases on disk, compressed so that a few neighbouring slices are read quickly.

A case is CASE_image.b2nd (float16), CASE_ids.b2nd (int32, where it has a reference),
CASE_lesions.csv and CASE.json. The last is written last and makes the case complete: a case without
it is not there. It holds the SHA-256 of the others, since a damaged array decompresses to other
voxels without a word. Arrays are cut into thin layers along the slab axis, which is how training
and prediction read them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lesionseg.errors import CaseError, UsageError
from lesionseg.io.case_record import (
    FORMAT,
    IDS,
    IMAGE,
    LESIONS,
    CaseRecord,
    read_case_record,
    signed,
)
from lesionseg.io.stored_array import StoredArray, write_array
from lesionseg.lesion_kinds import kinds_of
from lesionseg.storage.atomic import write_text
from lesionseg.storage.csv_table import read_rows, write_csv
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.provenance import withdraw
from lesionseg.structures import Case, Grid

MOST_LESIONS = 10_000_000
LESION_COLUMNS = (
    "volume_mm3",
    "diameter_mm",
    "centroid_r_mm",
    "centroid_a_mm",
    "centroid_s_mm",
    "row_extent_mm",
    "column_extent_mm",
    "num_slices",
    "class",
    "inside",
)


def write_case(
    folder: Path, case: Case, *, key: str = "", audit: Mapping[str, Any] | None = None
) -> None:
    """Store a case. Raises OutputError.

    key: what it was made from, for `is_complete`. audit: what became of its lesions, plain data.
    """
    folder = Path(folder)
    withdraw_case(folder, case.name)
    image = np.ascontiguousarray(case.image, np.float16)
    write_array(_path(folder, case.name, IMAGE), image, case.slab_axis)
    if case.lesion_ids is not None:
        ids = np.ascontiguousarray(case.lesion_ids, np.int32)
        write_array(_path(folder, case.name, IDS), ids, case.slab_axis)
    write_csv(
        _path(folder, case.name, LESIONS),
        ["id", *LESION_COLUMNS],
        (
            [lesion, *(row[c] for c in LESION_COLUMNS)]
            for lesion, row in sorted(case.lesions.items())
        ),
        float_format=".6g",
    )
    content = {
        "format": FORMAT,
        "case": case.name,
        "patient": case.patient,
        "channels": list(case.channels),
        "shape": list(image.shape),
        "spacing_mm": np.linalg.norm(case.affine[:3, :3], axis=0).tolist(),
        "slab_axis": case.slab_axis,
        "affine": np.asarray(case.affine, np.float64).tolist(),
        "original_shape": list(case.original.shape),
        "original_affine": np.asarray(case.original.affine, np.float64).tolist(),
        "has_reference": case.lesion_ids is not None,
        "num_lesions": len(case.lesions),
        "key": key,
        "audit": audit,
        "files": {
            ending: sha256_of_file(_path(folder, case.name, ending))
            for ending in (IMAGE, IDS, LESIONS)
            if ending != IDS or case.lesion_ids is not None
        },
    }
    write_text(_path(folder, case.name, ".json"), json.dumps(signed(content), indent=1) + "\n")


def withdraw_case(folder: Path, name: str) -> None:
    """Remove a stored case, the sidecar that makes it complete first. Raises OutputError."""
    endings = (".json", IMAGE, IDS, LESIONS)
    withdraw(_path(Path(folder), name, ending) for ending in endings)


def open_case(folder: Path, name: str, *, key: str | None = None) -> Case:
    """A stored case whose image (C, X, Y, Z) float16 and lesion_ids (X, Y, Z) int32 are on disk.

    Both decompress what a slice of them asks for, in the calling thread. key: what the case must
    have been made from; None for anything. Raises CaseError where the case is absent, incomplete,
    damaged or of another key.
    """
    folder = Path(folder)
    try:
        record = read_case_record(_path(folder, name, ".json"))
    except UsageError as error:
        raise CaseError(name, f"{error}; run preprocess again") from error
    if record is None or record.case != name:
        raise CaseError(name, f"not complete in {folder.name}; run preprocess again")
    if key is not None and record.key != key:
        raise CaseError(
            name, f"the one in {folder.name} is of other files or settings; run preprocess again"
        )
    image, ids = _open_array(folder, record, IMAGE, record.shape, np.float16), None
    if record.has_reference:
        ids = _open_array(folder, record, IDS, record.shape[1:], np.int32)
    return Case(
        name=record.case,
        patient=record.patient,
        image=image,
        lesion_ids=ids,
        affine=np.asarray(record.affine, np.float64),
        slab_axis=record.slab_axis,
        original=Grid(record.original_shape, np.asarray(record.original_affine, np.float64)),
        channels=record.channels,
        lesions=read_lesions(folder, name),
    )


def list_cases(folder: Path) -> list[str]:
    """Names of the complete cases of a folder, sorted."""
    names = (path.name.removesuffix(IMAGE) for path in Path(folder).glob("*_image.b2nd"))
    return sorted(name for name in names if _path(Path(folder), name, ".json").is_file())


def is_complete(folder: Path, name: str, key: str) -> bool:
    """Whether the case is stored whole, every file as it was written, and made with this `key`."""
    record = _record(Path(folder), name)
    if record is None or record.key != key:
        return False
    try:
        return all(
            sha256_of_file(_path(Path(folder), name, ending)) == digest
            for ending, digest in record.files.items()
        )
    except OSError:
        return False


def stored_key(folder: Path, name: str) -> str | None:
    """What a complete case was made from; None where it is not complete."""
    record = _record(Path(folder), name)
    return None if record is None else record.key


def stored_audit(folder: Path, name: str) -> Mapping[str, Any] | None:
    """What `write_case` was told of the lesions of a complete case."""
    record = _record(Path(folder), name)
    return None if record is None else record.audit


def read_lesions(folder: Path, name: str) -> dict[int, dict[str, float]]:
    """The lesion table of a stored case: id -> LESION_COLUMNS. Raises CaseError."""
    try:
        rows = read_rows(_path(Path(folder), name, LESIONS))
        table = {int(row["id"]): {c: float(row[c]) for c in LESION_COLUMNS} for row in rows}
        if not all(math.isfinite(value) for row in table.values() for value in row.values()):
            raise ValueError("a number is not finite")
        if not all(
            0 < lesion <= MOST_LESIONS and row["class"] >= 1 for lesion, row in table.items()
        ):
            raise ValueError(f"want ids from 1 to {MOST_LESIONS} and classes from 1")
        kinds_of(table)  # raises where a lesion lies inside what is not around it
    except (OSError, KeyError, ValueError) as error:
        raise CaseError(
            name, f"lesion table cannot be read ({error}); run preprocess again"
        ) from error
    return table


def _path(folder: Path, name: str, ending: str) -> Path:
    return folder / f"{name}{ending}"


def _record(folder: Path, name: str) -> CaseRecord | None:
    try:
        record = read_case_record(_path(folder, name, ".json"))
    except UsageError:
        return None
    return record if record is not None and record.case == name else None


def _open_array(
    folder: Path,
    record: CaseRecord,
    ending: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
) -> StoredArray:
    path = _path(folder, record.case, ending)
    stored = StoredArray(path, record.case, shape, np.dtype(dtype), record.files[ending])
    stored.check_form()  # its content is compared when it is read; nothing is kept open
    return stored
