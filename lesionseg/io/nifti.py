"""NIfTI-1 and NIfTI-2, single file, plain or gzip: read strictly, written faithfully.

The format is told by the file's own bytes, never by its name. What the header promises is held
against the size of the file before memory is taken for it, a gzip stream must end with the right
checksum, and a header that says two things is refused. The affine is the sform where its code is
above 0 and the matrix is usable, else the qform where its code is above 0; a file with neither has
no place in the world and is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError
from nibabel.nifti1 import header_dtype as nifti1_dtype
from nibabel.nifti2 import header_dtype as nifti2_dtype
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.atomic import replacing
from lesionseg.io.nifti_forms import affine_of, forms_of
from lesionseg.structures import Affine, NiftiForms, Volume

GZIP_MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032  # no deflate stream expands further, so a larger promise is a false one
COMPRESSION_LEVEL = 2  # of isal's 0-3
DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
REFUSED_TYPES = {
    0: "unknown",
    1: "bits",
    32: "complex",
    128: "RGB colour",
    1536: "128-bit float",
    1792: "complex",
    2048: "complex",
    2304: "RGBA colour",
}
CODES = {np.dtype(name): code for code, name in DTYPES.items()}


def is_nifti(start: bytes) -> bool:
    """Whether a file that starts with these bytes (at least 348) is, or may hold gzipped, NIfTI."""
    return start[:2] == GZIP_MAGIC or start[344:347] in (b"n+1", b"ni1") or start[4:6] == b"n+"


def read_nifti(path: Path, case: str) -> Volume:
    """The one 3D volume of a NIfTI file, intensity scaling applied, native byte order.

    Raises CaseError, naming `case`, for anything that is not exactly that.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                return _read(raw, size, path.name, case)
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                return _read(cast(BinaryIO, stream), size * MAX_DEFLATE_RATIO, path.name, case)
    except EOFError as error:
        raise CaseError(case, f"{path.name} ends inside its gzip stream; copy it again") from error
    except (igzip.BadGzipFile, IsalError) as error:  # type: ignore[misc]  # a C type
        problem = f"{path.name} has a damaged gzip stream ({error}); copy it again"
        raise CaseError(case, problem) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error


def write_nifti(path: Path, array: NDArray[Any], affine: Affine, forms: NiftiForms | None) -> None:
    """Write (X, Y, Z) voxels with these geometry fields, verbatim, and nothing else in the header.

    Without `forms` both forms are `affine`, code 1 (scanner), in mm. A name that ends in ".gz" is
    compressed; the same input gives the same bytes. Raises OutputError where it cannot be written.
    """
    forms = forms or forms_of(affine)
    header = np.zeros((), nifti1_dtype)
    header["sizeof_hdr"] = 348
    header["magic"] = b"n+1"
    header["dim"] = [3, *array.shape, 1, 1, 1, 1]
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


def _read(stream: BinaryIO, most: int, name: str, case: str) -> Volume:
    """Read header and voxels from a stream that can hold at most `most` bytes."""
    start = stream.read(540)
    header, head = _parse_header(start, name, case)
    shape = _shape(header, name, case)
    dtype = _dtype(header, name, case)
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and offset >= head and offset == int(offset)):
        problem = f"{name} puts its voxels at byte {offset:g}; want a whole number from {head}"
        raise CaseError(case, problem)
    length = math.prod(shape) * dtype.itemsize
    wanted = int(offset) + length
    if wanted > most:
        problem = f"{name} holds at most {most:,} bytes, its header says {wanted:,}; copy it again"
        raise CaseError(case, problem)
    voxels = bytearray(length)
    view = memoryview(voxels)
    early = start[int(offset) :]
    view[: len(early)] = early[:length]
    filled = min(len(early), length)
    _skip(stream, int(offset) - len(start))
    while filled < length:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            problem = f"{name} is cut short: {int(offset) + filled:,} bytes of {wanted:,}"
            raise CaseError(case, f"{problem}; copy it again")
        filled += got
    if len(early) > length or stream.read(1):  # reading to the end also checks the checksum
        raise CaseError(case, f"{name} goes on after the {wanted:,} bytes its header says")
    array = np.frombuffer(voxels, dtype).reshape(shape, order="F")
    if not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="), order="K")
    forms = _forms(header)
    return Volume(_scaled(array, header, name, case), affine_of(forms, name, case), forms)


def _skip(stream: BinaryIO, count: int) -> None:
    while count > 0:
        gone = len(stream.read(min(count, 1 << 20)))
        if not gone:
            return
        count -= gone


def _parse_header(start: bytes, name: str, case: str) -> tuple[Any, int]:
    """The header as a numpy record in the file's byte order, and the first byte voxels may take."""
    if len(start) < 348:
        raise CaseError(case, f"{name} holds {len(start)} bytes; a NIfTI header alone takes 348")
    for dtype, size in ((nifti1_dtype, 348), (nifti2_dtype, 540)):
        for order in ("<", ">"):
            layout = dtype.newbyteorder(order)
            if len(start) < size or int.from_bytes(start[:4], _ENDIAN[order]) != size:
                continue
            header = np.frombuffer(start[:size], layout)[0]
            magic = bytes(header["magic"])[:3]
            if magic in (b"n+1", b"n+2"):
                return header, size + 4
            if magic in (b"ni1", b"ni2"):
                raise CaseError(case, f"{name} is half of a .hdr/.img pair; convert it to .nii.gz")
    raise CaseError(case, f"{name} is not NIfTI: its header has the wrong size or magic")


_ENDIAN: dict[str, Any] = {"<": "little", ">": "big"}


def _shape(header: Any, name: str, case: str) -> tuple[int, int, int]:
    dim = [int(n) for n in header["dim"]]
    sizes = dim[1 : 1 + dim[0]] if 1 <= dim[0] <= 7 else []
    if len(sizes) < 3 or min(sizes) < 1:
        raise CaseError(case, f"{name} has dimensions {dim}; want three, each at least 1")
    if math.prod(sizes[3:]) != 1:
        shape = "x".join(map(str, sizes))
        raise CaseError(case, f"{name} holds several volumes ({shape}); want one, split it first")
    return sizes[0], sizes[1], sizes[2]


def _dtype(header: Any, name: str, case: str) -> np.dtype[Any]:
    code, bits = int(header["datatype"]), int(header["bitpix"])
    if code not in DTYPES:
        kind = REFUSED_TYPES.get(code, "unknown")
        raise CaseError(
            case, f"{name} has voxel type {code} ({kind}); want one real number a voxel"
        )
    dtype = np.dtype(DTYPES[code]).newbyteorder(header["dim"].dtype.byteorder)
    if bits != dtype.itemsize * 8:
        problem = f"{name} says {bits} bits a voxel, its type {dtype.name} has {dtype.itemsize * 8}"
        raise CaseError(case, problem)
    return dtype


def _scaled(array: NDArray[Any], header: Any, name: str, case: str) -> NDArray[Any]:
    """Apply scl_slope and scl_inter: a slope of 0 (or unset, NaN) leaves voxels as stored."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    unset = slope == 0 or (math.isnan(slope) and (inter == 0 or math.isnan(inter)))
    if unset or (slope == 1 and inter == 0):
        return array
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise CaseError(case, f"{name} has intensity scaling slope {slope:g}, intercept {inter:g}")
    wide = array.dtype.itemsize > 4 or array.dtype in (np.int32, np.uint32)
    scaled: NDArray[Any] = array.astype(np.float64 if wide else np.float32, order="K")
    np.multiply(scaled, slope, out=scaled)
    return np.add(scaled, inter, out=scaled)


def _forms(header: Any) -> NiftiForms:
    def floats(*names: str) -> list[float]:
        return [float(header[name]) for name in names]

    b, c, d = floats("quatern_b", "quatern_c", "quatern_d")
    x, y, z = floats("qoffset_x", "qoffset_y", "qoffset_z")
    with np.errstate(over="ignore"):  # NIfTI-2 holds doubles
        srow = np.stack([header[f"srow_{axis}"] for axis in "xyz"]).astype(np.float32)
        pixdim = header["pixdim"].astype(np.float32)
    return NiftiForms(
        qform_code=int(header["qform_code"]),
        sform_code=int(header["sform_code"]),
        quatern=(b, c, d),
        qoffset=(x, y, z),
        srow=srow,
        pixdim=pixdim,
        xyzt_units=int(header["xyzt_units"]),
    )
