"""The voxels of a MetaImage or NRRD file, counted and proven whole before SimpleITK sees them.

SimpleITK inflates damaged streams without a word, and no more of them than a header tells it to.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from isal import igzip, isal_zlib
from isal.igzip_lib import IsalError

from lesionseg.errors import CaseError
from lesionseg.storage.text_file import open_regular

CHUNK = 1 << 20


@dataclass(frozen=True)
class VoxelBytes:
    """Where a header's voxels are: `length` bytes once unpacked, from byte `begin` of `path`.

    packed: None, "gzip" or "zlib"; `packed_length`: bytes they take then, where the header says.
    unplaced: what the header lacks to place the volume. format: SimpleITK's name of it.
    """

    path: Path
    begin: int
    length: int
    packed: str | None
    packed_length: int | None
    unplaced: str
    format: str


def check_voxels(voxels: VoxelBytes, name: str, case: str) -> None:
    """Raise CaseError for voxels that are cut short, damaged or followed by something; OSError."""
    stored = voxels.path.stat().st_size - voxels.begin
    if voxels.packed is None:
        found = stored
    elif voxels.length > stored * 1032:  # no deflate stream expands further
        raise CaseError(case, f"{name} is cut short: its {voxels.length:,} bytes cannot be in it")
    else:
        found = _unpacked(voxels, name, case)
    if found < voxels.length:
        problem = f"{name} is cut short: {found:,} bytes of voxels of {voxels.length:,}"
        raise CaseError(case, f"{problem}; copy it again")
    if found > voxels.length:
        raise CaseError(case, f"{name} goes on after the {voxels.length:,} bytes of its voxels")
    if voxels.packed_length not in (None, stored):  # SimpleITK unpacks no more than it is told
        said = f"{voxels.packed_length:,}" if voxels.packed_length else "no"
        raise CaseError(
            case,
            f"{name} says {said} bytes of packed voxels (CompressedDataSize), it holds {stored:,}; "
            "copy or write it again",
        )


def _unpacked(voxels: VoxelBytes, name: str, case: str) -> int:
    """Bytes that the packed voxels unpack to, counted up to just beyond what is wanted."""
    try:
        with open_regular(voxels.path) as raw:
            raw.seek(voxels.begin)
            if voxels.packed == "gzip":
                with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                    return _count(stream.read, voxels.length)
            inflate = isal_zlib.decompressobj()

            def more(count: int) -> bytes:
                fresh = inflate.unconsumed_tail or raw.read(count)
                part: bytes = inflate.decompress(fresh, count)
                while not part and fresh and not inflate.eof:
                    fresh = raw.read(count)
                    part = inflate.decompress(fresh, count)
                return part

            found = _count(more, voxels.length)
            if not inflate.eof:
                raise EOFError
            return found + len(inflate.unused_data) + len(raw.read(1))
    except EOFError as error:
        raise CaseError(case, f"{name} ends inside its packed voxels; copy it again") from error
    except (igzip.BadGzipFile, IsalError, zlib.error) as error:  # type: ignore[misc]  # a C type
        problem = f"{name} has damaged packed voxels ({error}); copy it again"
        raise CaseError(case, problem) from error


def _count(read: object, wanted: int) -> int:
    """Bytes that `read(n)` gives until its end, or until they are more than wanted."""
    assert callable(read)
    found = 0
    while found <= wanted:
        part = len(read(CHUNK))
        if not part:
            break
        found += part
    return found
