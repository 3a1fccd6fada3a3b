"""A NIfTI header's fields, compared with each other before any voxel is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from nibabel.nifti1 import header_dtype as nifti1_dtype
from nibabel.nifti2 import header_dtype as nifti2_dtype
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.structures import NiftiForms

LONGEST = 540  # bytes of a NIfTI-2 header; NIfTI-1 has 348
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
ORDERS: dict[Literal["<", ">"], Literal["little", "big"]] = {"<": "little", ">": "big"}


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of its voxels. offset: the byte at which they start.

    slope, inter: as stored; `scaled` knows what they mean. num_volumes: of `shape` each.
    """

    shape: tuple[int, int, int]
    num_volumes: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    forms: NiftiForms


def parse_header(start: bytes, name: str, case: str) -> Header:
    """The header in a file's first bytes, 540 where it has so many. Raises CaseError."""
    fields, head = _fields(start, name, case)
    dim = [int(n) for n in fields["dim"]]
    sizes = dim[1 : 1 + dim[0]] if 1 <= dim[0] <= 7 else []
    if len(sizes) < 3 or min(sizes) < 1:
        raise CaseError(case, f"{name} has dimensions {dim}; want three, each at least 1")
    offset = float(fields["vox_offset"])
    if not (math.isfinite(offset) and offset >= head and offset == int(offset)):
        problem = f"{name} puts its voxels at byte {offset:g}; want a whole number from {head}"
        raise CaseError(case, problem)
    num_volumes = math.prod(sizes[3:])
    return Header(
        shape=(sizes[0], sizes[1], sizes[2]),
        num_volumes=num_volumes,
        dtype=_dtype(fields, name, case),
        offset=int(offset),
        slope=float(fields["scl_slope"]),
        inter=float(fields["scl_inter"]),
        forms=_forms(fields, len(sizes) if num_volumes == 1 else 3),
    )


def scaled(
    array: NDArray[Any], header: Header, name: str, case: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Intensities by the NIfTI rule, and a note: a slope of 0 (or NaN) leaves voxels as stored.

    float32, or float64 where the stored integers or the result need it. Raises CaseError for a
    slope or an intercept that is half set.
    """
    slope, inter = header.slope, header.inter
    if slope == 0 or (math.isnan(slope) and (inter == 0 or math.isnan(inter))):
        if math.isfinite(inter) and inter != 0:
            return array, (f"{name} has intercept {inter:g} with slope 0; it is not applied",)
        return array, ()
    if slope == 1 and inter == 0:
        return array, ()
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise CaseError(case, f"{name} has intensity scaling slope {slope:g}, intercept {inter:g}")
    wide = scaled_itemsize(header) == 8
    out: NDArray[Any] = array.astype(np.float64 if wide else np.float32, order="K")
    with np.errstate(over="ignore", invalid="ignore"):
        np.multiply(out, slope, out=out)
        return np.add(out, inter, out=out), ()


def scaled_itemsize(header: Header) -> int:
    """Bytes a voxel takes once scaled; 0 where it is not scaled."""
    slope, inter = header.slope, header.inter
    if slope == 0 or not (math.isfinite(slope) and math.isfinite(inter)):
        return 0
    if slope == 1 and inter == 0:
        return 0
    tame = 1e-20 < abs(slope) < 1e20 and abs(inter) < 1e30
    return 4 if tame and (header.dtype.kind == "f" or header.dtype.itemsize < 4) else 8


def _fields(start: bytes, name: str, case: str) -> tuple[Any, int]:
    """The header as a numpy record in the file's byte order, and the first byte voxels may take."""
    if len(start) < 348:
        raise CaseError(case, f"{name} holds {len(start)} bytes; a NIfTI header alone takes 348")
    for dtype, size in ((nifti1_dtype, 348), (nifti2_dtype, 540)):
        for order, name_of_order in ORDERS.items():
            if len(start) < size or int.from_bytes(start[:4], name_of_order) != size:
                continue
            fields = np.frombuffer(start[:size], dtype.newbyteorder(order))[0]
            magic = bytes(fields["magic"])[:3]
            if magic in (b"n+1", b"n+2"):
                return fields, size + 4
            if magic in (b"ni1", b"ni2"):
                raise CaseError(case, f"{name} is half of a .hdr/.img pair; convert it to .nii.gz")
    raise CaseError(case, f"{name} is not NIfTI: its header has the wrong size or magic")


def _dtype(fields: Any, name: str, case: str) -> np.dtype[Any]:
    code, bits = int(fields["datatype"]), int(fields["bitpix"])
    if code not in DTYPES:
        kind = REFUSED_TYPES.get(code, "unknown")
        raise CaseError(
            case, f"{name} has voxel type {code} ({kind}); want one real number a voxel"
        )
    dtype = np.dtype(DTYPES[code]).newbyteorder(fields["dim"].dtype.byteorder)
    if bits != dtype.itemsize * 8:
        problem = f"{name} says {bits} bits a voxel, its type {dtype.name} has {dtype.itemsize * 8}"
        raise CaseError(case, problem)
    return dtype


def _forms(fields: Any, num_dims: int) -> NiftiForms:
    def floats(*names: str) -> list[float]:
        return [float(fields[name]) for name in names]

    b, c, d = floats("quatern_b", "quatern_c", "quatern_d")
    x, y, z = floats("qoffset_x", "qoffset_y", "qoffset_z")
    with np.errstate(over="ignore"):  # NIfTI-2 holds doubles
        srow = np.stack([fields[f"srow_{axis}"] for axis in "xyz"]).astype(np.float32)
        pixdim = fields["pixdim"].astype(np.float32)
    return NiftiForms(
        qform_code=int(fields["qform_code"]),
        sform_code=int(fields["sform_code"]),
        quatern=(b, c, d),
        qoffset=(x, y, z),
        srow=srow,
        pixdim=pixdim,
        xyzt_units=int(fields["xyzt_units"]),
        num_dims=num_dims,
    )
