"""NIfTI-1 and NIfTI-2, single file, plain or gzip: read strictly, written faithfully.

The format is told by the file's own bytes, never by its name. What the header promises is compared
with the size of the file and the free memory before any is allocated, a gzip stream must end with
the right checksum and nothing after it, and a header that contradicts itself is refused. Where the
volume lies in the world is decided in `nifti_forms`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from isal import igzip
from nibabel.nifti1 import header_dtype as nifti1_dtype
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.body_limits import body_fault
from lesionseg.io.gzip_stream import GZIP_MAGIC, plain_or_gzip
from lesionseg.io.nifti.forms import affine_of, forms_of
from lesionseg.io.nifti.header import (
    DTYPES,
    LONGEST,
    parse_header,
    scaled,
    scaled_itemsize,
)
from lesionseg.io.volume_choice import chosen_volume
from lesionseg.storage.atomic import replacing
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Affine, NiftiForms, Volume

MAX_DEFLATE_RATIO = 1032  # no deflate stream expands further, so a larger promise is a false one
COMPRESSION_LEVEL = 2  # of isal's 0-3
CODES = {np.dtype(name): code for code, name in DTYPES.items()}


def is_nifti(start: bytes) -> bool:
    """Whether a file that starts with these bytes (at least 348) is, or may hold gzipped, NIfTI."""
    return start[:2] == GZIP_MAGIC or start[344:347] in (b"n+1", b"ni1") or start[4:6] == b"n+"


def read_nifti(
    path: Path, case: str, *, volume: int | None = None, assume_affine: bool = False
) -> Volume:
    """One 3D volume of a NIfTI file, intensity scaling applied, native byte order.

    volume: which, from 0 in the order of the file, where it holds several.
    assume_affine: without a position in the world, voxel sizes alone, the first voxel at 0.
    Raises CaseError, naming `case`, for anything that is not exactly that.
    """
    path = Path(path)
    with plain_or_gzip(path, case) as (stream, zipped):
        most = path.stat().st_size * (MAX_DEFLATE_RATIO if zipped else 1)
        return _read(stream, most, path.name, case, volume, assume_affine)


def write_nifti(path: Path, array: NDArray[Any], affine: Affine, forms: NiftiForms | None) -> None:
    """Write (X, Y, Z) voxels with these geometry fields, verbatim, and nothing else in the header.

    Without `forms` both forms are `affine`, code 1 (scanner), in mm. Further dimensions of one, as
    some tools give a scan, are restored: programs that compare shapes see the scan's, viewers drop
    them. A name that ends in ".gz" is compressed; the same input gives the same bytes. Raises
    OutputError where it cannot be written.
    """
    forms = forms or forms_of(affine)
    header = np.zeros((), nifti1_dtype)
    header["sizeof_hdr"] = 348
    header["magic"] = b"n+1"
    header["dim"] = [forms.num_dims, *array.shape, 1, 1, 1, 1]
    header["datatype"] = CODES[array.dtype]
    header["bitpix"] = array.dtype.itemsize * 8
    header["vox_offset"] = 352
    header["scl_slope"] = 1
    header["pixdim"] = forms.pixdim
    header["xyzt_units"] = forms.xyzt_units
    header["qform_code"], header["sform_code"] = forms.qform_code, forms.sform_code
    for field, value in zip(("quatern_b", "quatern_c", "quatern_d"), forms.quatern):
        header[field] = value
    for axis, offset, row in zip("xyz", forms.qoffset, forms.srow):
        header[f"qoffset_{axis}"] = offset
        header[f"srow_{axis}"] = row
    voxels = np.ascontiguousarray(array.T).data.cast("B")
    path = Path(path)
    with replacing(path) as partial, partial.open("wb") as raw:
        if path.suffix != ".gz":
            raw.write(header.tobytes() + bytes(4))
            raw.write(voxels)
            return
        with igzip.IGzipFile(
            filename="", fileobj=raw, mode="wb", compresslevel=COMPRESSION_LEVEL, mtime=0
        ) as stream:
            stream.write(header.tobytes() + bytes(4))
            stream.write(voxels)


def _read(
    stream: BinaryIO, most: int, name: str, case: str, volume: int | None, assume_affine: bool
) -> Volume:
    """Read header and voxels from a stream that can hold at most `most` bytes."""
    start = stream.read(LONGEST)
    header = parse_header(start, name, case)
    index = chosen_volume(volume, header.num_volumes, header.shape, name, case)
    affine, other, notes = affine_of(header.forms, header.shape, name, case, assume=assume_affine)
    count = math.prod(header.shape)
    length = count * header.dtype.itemsize
    wanted = header.offset + header.num_volumes * length
    if wanted > most:
        problem = f"{name} holds at most {most:,} bytes, its header says {wanted:,}; copy it again"
        raise CaseError(case, problem)
    if fault := body_fault(header.shape, affine):
        raise CaseError(case, f"{name} {fault}; mend its header")
    swapped = 0 if header.dtype.isnative else length
    refuse_beyond_memory(length + swapped + count * scaled_itemsize(header), name, case)
    voxels = _voxels(stream, start, header.offset + index * length, length, wanted, name, case)
    array = np.frombuffer(voxels, header.dtype).reshape(header.shape, order="F")
    if not header.dtype.isnative:
        array = array.astype(header.dtype.newbyteorder("="), order="K")
    array, remarks = scaled(array, header, name, case)
    return Volume(array, affine, header.forms, notes + remarks, other, header.num_volumes)


def _voxels(
    stream: BinaryIO, start: bytes, begin: int, length: int, wanted: int, name: str, case: str
) -> bytearray:
    """Bytes `begin` to `begin + length` of a stream of exactly `wanted`, read to its end.

    start: what was read of it already. Only the end proves the checksum and that nothing follows.
    """
    voxels = bytearray(length)
    view = memoryview(voxels)
    early = start[begin : begin + length]
    view[: len(early)] = early
    filled = len(early)
    passed = len(start) + _skip(stream, begin - len(start))
    while filled < length:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            break
        filled += got
        passed += got
    passed += _skip(stream, wanted - passed)
    if filled < length or passed < wanted:
        problem = f"{name} is cut short: {passed:,} bytes of {wanted:,}"
        raise CaseError(case, f"{problem}; copy it again")
    if passed > wanted or stream.read(1):
        raise CaseError(case, f"{name} goes on after the {wanted:,} bytes its header says")
    return voxels


def _skip(stream: BinaryIO, count: int) -> int:
    """Read past `count` bytes; returns how many there were."""
    left = max(count, 0)
    while left > 0:
        gone = len(stream.read(min(left, 1 << 20)))
        if not gone:
            break
        left -= gone
    return max(count, 0) - left
