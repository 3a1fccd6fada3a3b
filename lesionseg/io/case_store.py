"""Preprocessed cases on disk, compressed so that a few neighbouring slices are read quickly.

A case is CASE_image.b2nd (float16), CASE_ids.b2nd (int32, where it has a reference),
CASE_lesions.csv and CASE.json. The last is written last and makes the case complete: a case without
it is not there. It holds the SHA-256 of the others, since a damaged array decompresses to other
voxels without a word. Arrays are cut into thin layers along the slab axis, which is how training
and prediction read them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, OutputError
from lesionseg.storage.atomic import replacing, write_text
from lesionseg.storage.csv_table import write_csv
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.provenance import read_record, withdraw
from lesionseg.structures import Case, Grid

FORMAT = 2
LAYER = 4  # slices in one chunk
OPEN_FILES = 64  # arrays kept open by a process at a time
TILE = 64  # in-plane side of the block that is decompressed at once
LESION_COLUMNS = (
    "volume_mm3",
    "diameter_mm",
    "centroid_r_mm",
    "centroid_a_mm",
    "centroid_s_mm",
    "row_extent_mm",
    "column_extent_mm",
    "num_slices",
)


def write_case(
    folder: Path, case: Case, *, key: str = "", audit: Mapping[str, Any] | None = None
) -> None:
    """Store a case. Raises OutputError.

    key: what it was made from, for `is_complete`. audit: what became of its lesions, plain data.
    """
    folder = Path(folder)
    _opened.cache_clear()  # it may hold the arrays that are about to be replaced
    withdraw_case(folder, case.name)
    image = np.ascontiguousarray(case.image, np.float16)
    _write_array(_path(folder, case.name, "_image.b2nd"), image, case.slab_axis)
    if case.lesion_ids is not None:
        ids = np.ascontiguousarray(case.lesion_ids, np.int32)
        _write_array(_path(folder, case.name, "_ids.b2nd"), ids, case.slab_axis)
    write_csv(
        _path(folder, case.name, "_lesions.csv"),
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
            for ending in ("_image.b2nd", "_ids.b2nd", "_lesions.csv")
            if ending != "_ids.b2nd" or case.lesion_ids is not None
        },
    }
    write_text(_path(folder, case.name, ".json"), json.dumps(content, indent=1) + "\n")


def withdraw_case(folder: Path, name: str) -> None:
    """Remove a stored case, the sidecar that makes it complete first. Raises OutputError."""
    endings = (".json", "_image.b2nd", "_ids.b2nd", "_lesions.csv")
    withdraw(_path(Path(folder), name, ending) for ending in endings)


def open_case(folder: Path, name: str, *, key: str | None = None) -> Case:
    """A stored case whose image (C, X, Y, Z) float16 and lesion_ids (X, Y, Z) int32 are on disk.

    Both decompress what a slice of them asks for, in the calling thread. key: what the case must
    have been made from; None for anything. Raises CaseError where the case is absent, incomplete,
    damaged or of another key.
    """
    folder = Path(folder)
    content = _sidecar(folder, name)
    if content is None:
        raise CaseError(name, f"not complete in {folder.name}; run preprocess again")
    if key is not None and content["key"] != key:
        raise CaseError(
            name, f"the one in {folder.name} is of other files or settings; run preprocess again"
        )
    shape = tuple(content["shape"])
    files = content["files"]
    image = _open_array(folder, name, "_image.b2nd", shape, np.float16, files)
    ids = None
    if content["has_reference"]:
        ids = _open_array(folder, name, "_ids.b2nd", shape[1:], np.int32, files)
    return Case(
        name=content["case"],
        patient=content["patient"],
        image=image,
        lesion_ids=ids,
        affine=np.asarray(content["affine"], np.float64),
        slab_axis=content["slab_axis"],
        original=Grid(
            tuple(content["original_shape"]), np.asarray(content["original_affine"], np.float64)
        ),
        channels=tuple(content["channels"]),
        lesions=read_lesions(folder, name),
    )


def list_cases(folder: Path) -> list[str]:
    """Names of the complete cases of a folder, sorted."""
    names = (path.name.removesuffix("_image.b2nd") for path in Path(folder).glob("*_image.b2nd"))
    return sorted(name for name in names if _path(Path(folder), name, ".json").is_file())


def is_complete(folder: Path, name: str, key: str) -> bool:
    """Whether the case is stored whole, every file as it was written, and made with this `key`."""
    content = _sidecar(Path(folder), name)
    if content is None or content["key"] != key:
        return False
    try:
        return all(
            sha256_of_file(_path(Path(folder), name, ending)) == digest
            for ending, digest in content["files"].items()
        )
    except OSError:
        return False


def stored_key(folder: Path, name: str) -> str | None:
    """What a complete case was made from; None where it is not complete."""
    content = _sidecar(Path(folder), name)
    return None if content is None else str(content["key"])


def stored_audit(folder: Path, name: str) -> Mapping[str, Any] | None:
    """What `write_case` was told of the lesions of a complete case."""
    content = _sidecar(Path(folder), name)
    return None if content is None else content["audit"]


def read_lesions(folder: Path, name: str) -> dict[int, dict[str, float]]:
    """The lesion table of a stored case: id -> LESION_COLUMNS."""
    try:
        text = _path(Path(folder), name, "_lesions.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        return {int(row["id"]): {c: float(row[c]) for c in LESION_COLUMNS} for row in rows}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CaseError(
            name, f"lesion table cannot be read ({error}); run preprocess again"
        ) from error


def _path(folder: Path, name: str, ending: str) -> Path:
    return folder / f"{name}{ending}"


def _sidecar(folder: Path, name: str) -> dict[str, Any] | None:
    content = read_record(_path(folder, name, ".json"))
    if content is None or content.get("format") != FORMAT:
        return None
    return content if content["case"] == name else None


def _write_array(path: Path, array: NDArray[Any], slab_axis: int) -> None:
    lead = array.ndim - 3
    chunks, blocks = list(array.shape), [1] * lead + [min(n, TILE) for n in array.shape[lead:]]
    chunks[lead + slab_axis] = blocks[lead + slab_axis] = min(array.shape[lead + slab_axis], LAYER)
    codec = blosc2.CParams(
        codec=blosc2.Codec.LZ4, clevel=5, filters=[blosc2.Filter.SHUFFLE], nthreads=1
    )
    layout = {"chunks": tuple(chunks), "blocks": tuple(blocks), "cparams": codec}
    with replacing(path) as partial:
        partial.unlink()  # blosc2 wants to make the file itself
        try:
            blosc2.asarray(array, urlpath=str(partial), mode="w", **layout)
        except RuntimeError as error:
            problem = f"cannot write {path.name}: {error}; free space or choose another output"
            raise OutputError(problem) from error


@dataclass(frozen=True)
class StoredArray:
    """An array on disk that decompresses what is sliced out of it.

    It can be sent to another process, and holds no file open: any number of cases may be listed.
    Slicing raises CaseError where the file is absent, damaged, or not what the sidecar says. Its
    content is compared with `sha256` once a process, when it is first read.
    """

    path: Path
    case: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sha256: str

    def __getitem__(self, where: Any) -> NDArray[Any]:
        try:
            return np.asarray(_opened(self)[where])
        except (OSError, RuntimeError) as error:
            raise _unreadable(self) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


_intact: set[tuple[StoredArray, int]] = set()  # and the time of change at which it was compared


def _compare_content(stored: StoredArray) -> None:
    compared = (stored, stored.path.stat().st_mtime_ns)
    if compared in _intact:
        return
    if sha256_of_file(stored.path) != stored.sha256:
        raise CaseError(
            stored.case, f"{stored.path.name} was changed or damaged; run preprocess again"
        )
    _intact.add(compared)


@lru_cache(maxsize=OPEN_FILES)
def _opened(stored: StoredArray) -> Any:
    _compare_content(stored)
    return _open(stored)


def _open(stored: StoredArray) -> Any:
    try:
        array = blosc2.open(str(stored.path), mode="r", dparams=blosc2.DParams(nthreads=1))
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(stored) from error
    if not isinstance(array, blosc2.NDArray) or (array.shape, array.dtype) != (
        stored.shape,
        stored.dtype,
    ):
        problem = f"{stored.path.name} is not the array its sidecar says; run preprocess again"
        raise CaseError(stored.case, problem)
    return array


def _unreadable(stored: StoredArray) -> CaseError:
    return CaseError(stored.case, f"{stored.path.name} cannot be read; run preprocess again")


def _open_array(
    folder: Path,
    name: str,
    ending: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    files: Mapping[str, str],
) -> StoredArray:
    path = _path(folder, name, ending)
    stored = StoredArray(path, name, shape, np.dtype(dtype), files[ending])
    _open(stored)  # check its form now, its content when it is read; keep nothing open
    return stored
