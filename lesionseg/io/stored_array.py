"""Arrays on disk in blosc2 files, compressed in layers, and read without executing anything."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, OutputError
from lesionseg.storage.atomic import replacing
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.text_file import open_regular

LAYER = 4  # slices in one chunk
TILE = 64  # in-plane side of the block that is decompressed at once
OPEN_FILES = 64  # arrays kept open by a process at a time
# of a blosc2 file (README_CFRAME_FORMAT of c-blosc2): where its length stands, how its list of
# metadata before the chunks begins where shape and type is all there is, and its end without others
LENGTH, BEFORE_CHUNKS = slice(16, 24), 91
ARRAY_ALONE = b"\xde\x00\x01\xa4b2nd"
END = bytes.fromhex("940193cd0006de0000dc0000ce00000023d800") + bytes(16)


def write_array(path: Path, array: NDArray[Any], slab_axis: int) -> None:
    """Store (..., X, Y, Z) so that a few slices along `slab_axis` are read quickly.

    Raises OutputError.
    """
    _opened.cache_clear()  # it may hold the array that is about to be replaced
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

    def check_form(self) -> None:
        """Raise CaseError unless the file holds an array of this shape and type, and no more."""
        _open(self)

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
        _refuse_metadata(stored)
        array = blosc2.open(
            str(stored.path), mode="r", deserialize="safe", dparams=blosc2.DParams(nthreads=1)
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(stored) from error
    if not isinstance(array, blosc2.NDArray) or (array.shape, array.dtype) != (
        stored.shape,
        stored.dtype,
    ):
        problem = f"{stored.path.name} is not the array its sidecar says; run preprocess again"
        raise CaseError(stored.case, problem)
    return array


def _refuse_metadata(stored: StoredArray) -> None:
    """Raise CaseError for a file with more than one plain array, before blosc2 opens it.

    What else a file can hold, blosc2 may take for an expression, a function or a link. OSError.
    """
    with open_regular(stored.path) as file:
        head = file.read(BEFORE_CHUNKS + len(ARRAY_ALONE))
        length = int.from_bytes(head[LENGTH], "big")
        size = file.seek(0, 2)
        file.seek(max(0, size - len(END)))
        end = file.read()
    if length != size or head[BEFORE_CHUNKS:] != ARRAY_ALONE or end != END:
        raise CaseError(
            stored.case,
            f"{stored.path.name} is damaged or no plain array; run preprocess again",
        )


def _unreadable(stored: StoredArray) -> CaseError:
    return CaseError(stored.case, f"{stored.path.name} cannot be read; run preprocess again")
