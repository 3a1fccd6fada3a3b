"""FreeSurfer's .mgh and .mgz, read strictly: big-endian, placed by its centre and directions.

The format (FreeSurfer's wiki, FsTutorial/MghFormat) has no magic number: the name tells it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.body_limits import body_fault
from lesionseg.io.gzip_stream import plain_or_gzip
from lesionseg.io.nifti.affine_faults import affine_fault
from lesionseg.io.volume_choice import chosen_volume
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Affine, Volume

HEADER, VOXELS_FROM = 90, 284  # bytes
FLAG, SIZES = slice(28, 30), slice(30, 42)
DTYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
LONGEST_FOOTER = 1 << 26  # bytes after the voxels: scan parameters, and the commands that were run


def read_freesurfer(
    path: Path, case: str, *, volume: int | None = None, assume_affine: bool = False
) -> Volume:
    """One 3D volume of an .mgh or .mgz file.

    volume: which, from 0, where it holds several frames. assume_affine: where the header says that
    its position is not valid, voxel sizes alone, the first voxel at 0. Raises CaseError.
    """
    path = Path(path)
    with plain_or_gzip(path, case) as (stream, _):
        return _read(stream, path.name, case, volume, assume_affine)


def _read(
    stream: BinaryIO, name: str, case: str, volume: int | None, assume_affine: bool
) -> Volume:
    start = stream.read(VOXELS_FROM)
    if len(start) < VOXELS_FROM:
        raise CaseError(
            case, f"{name} holds {len(start)} bytes; an MGH header alone takes {VOXELS_FROM}"
        )
    header = MGHHeader(start[:HEADER], check=False)
    dims, kind = [int(n) for n in header["dims"]], int(header["type"])
    if int(header["version"]) != 1 or min(dims) < 1:
        raise CaseError(
            case, f"{name} is not MGH: version {int(header['version'])}, dimensions {dims}"
        )
    if kind not in DTYPES:
        raise CaseError(case, f"{name} has voxel type {kind}; want one of {sorted(DTYPES)}")
    affine, notes = _affine(start, name, case, assume_affine)
    if fault := affine_fault(affine[:3]) or body_fault(dims[:3], affine):
        raise CaseError(
            case, f"{name} has no usable position in the world: it {fault}; mend its header"
        )
    count = dims[3]
    index = chosen_volume(volume, count, dims[:3], name, case)
    array = _voxels(stream, dims, np.dtype(DTYPES[kind]), index, name, case)
    return Volume(array, affine, notes=notes, num_volumes=count)


def _affine(start: bytes, name: str, case: str, assume: bool) -> tuple[Affine, tuple[str, ...]]:
    """The (4, 4) affine to RAS+ mm: FreeSurfer's vox2ras of the scanner."""
    flag = int.from_bytes(start[FLAG], "big")  # nibabel puts other numbers where it is not set
    if flag == 1:
        return np.asarray(MGHHeader(start[:HEADER], check=False).get_affine(), np.float64), ()
    if not assume:
        raise CaseError(
            case,
            f"{name} has no usable position in the world: its header says that it is not valid "
            "(goodRASFlag); set it, or read it with data.assume_affine=true",
        )
    sizes = np.frombuffer(start[SIZES], ">f4").astype(np.float64)
    shown = "x".join(f"{size:.4g}" for size in sizes)
    note = f"{name}: position assumed, voxels of {shown} mm from the origin"
    return np.diag([*sizes, 1.0]), (note,)


def _voxels(
    stream: BinaryIO, dims: list[int], dtype: np.dtype[Any], index: int, name: str, case: str
) -> NDArray[Any]:
    """(X, Y, Z) of volume `index`, native byte order, from a stream that is read to its end."""
    length = math.prod(dims[:3]) * dtype.itemsize
    refuse_beyond_memory(2 * length, name, case)
    voxels = b""
    for number in range(dims[3]):
        part = stream.read(length)
        if len(part) < length:
            problem = f"{name} is cut short in volume {number}: {len(part):,} bytes of {length:,}"
            raise CaseError(case, f"{problem}; copy it again")
        voxels = part if number == index else voxels
    if len(stream.read(LONGEST_FOOTER + 1)) > LONGEST_FOOTER:  # its end proves the checksum, too
        raise CaseError(case, f"{name} goes on after its voxels for over {LONGEST_FOOTER:,} bytes")
    array = np.frombuffer(voxels, dtype).reshape(dims[:3], order="F")
    return array.astype(dtype.newbyteorder("="))
