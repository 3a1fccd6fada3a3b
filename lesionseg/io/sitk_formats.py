"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) by way of SimpleITK, brought to RAS+ mm.

SimpleITK fills a file that is too short with whatever it likes, so the text header is held against
the files' sizes first.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from lesionseg.errors import CaseError
from lesionseg.structures import Volume

SUFFIXES = (".mha", ".mhd", ".nrrd", ".nhdr")
MAX_HEADER = 1 << 16
MET_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
    "MET_ULONG": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
NRRD_BYTES = {
    **dict.fromkeys(["signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8"], 1),
    **dict.fromkeys(["uint8_t"], 1),
    **dict.fromkeys(["short", "short int", "signed short", "int16", "int16_t"], 2),
    **dict.fromkeys(["ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"], 2),
    **dict.fromkeys(["int", "signed int", "int32", "int32_t", "uint", "unsigned int"], 4),
    **dict.fromkeys(["uint32", "uint32_t", "float"], 4),
    **dict.fromkeys(["longlong", "long long", "int64", "int64_t", "uint64", "uint64_t"], 8),
    **dict.fromkeys(["ulonglong", "unsigned long long", "double"], 8),
}


def read_sitk(path: Path, case: str) -> Volume:
    """The one 3D scalar volume of a MetaImage or NRRD file. Raises CaseError, naming `case`."""
    import SimpleITK as sitk  # takes half a second, and most data is NIfTI

    path = Path(path)
    try:
        _check_length(path, case)
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
    components = image.GetNumberOfComponentsPerPixel()
    if components != 1 or "complex" in image.GetPixelIDTypeAsString():
        kind = image.GetPixelIDTypeAsString()
        raise CaseError(case, f"{path.name} holds a {kind} a voxel; want one real number")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        shape = "x".join(map(str, image.GetSize()))
        raise CaseError(case, f"{path.name} is {shape}; want one volume of three dimensions")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    affine[:2] *= -1  # LPS to RAS
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9:
        raise CaseError(case, f"{path.name} has no usable position in the world; mend its header")
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), affine)


def _check_length(path: Path, case: str) -> None:
    """Refuse a file whose voxels are fewer than its header says, or lie outside its folder."""
    with path.open("rb") as raw:
        start = raw.read(MAX_HEADER)
    if not start:
        raise CaseError(case, f"{path.name} is empty; copy it again")
    nrrd = start.startswith(b"NRRD")
    fields, body = _nrrd_fields(start) if nrrd else _meta_fields(start)
    sizes = fields.get("sizes" if nrrd else "dimsize", "").split()
    kind = fields.get("type" if nrrd else "elementtype", "")
    bytes_per = (NRRD_BYTES if nrrd else MET_BYTES).get(kind)
    if not sizes or bytes_per is None or not all(size.isdecimal() for size in sizes):
        problem = f"{path.name} has sizes '{' '.join(sizes)}' and voxel type '{kind}'"
        raise CaseError(case, f"{problem}; want three whole numbers and a real type")
    wanted = math.prod(map(int, sizes)) * bytes_per
    wanted *= int(fields.get("elementnumberofchannels", 1))
    data = fields.get("data file") or fields.get("datafile") if nrrd else fields["elementdatafile"]
    if data is None or data.upper() == "LOCAL":
        stored = path.stat().st_size - body
    else:
        if Path(data).name != data or data.upper() == "LIST":
            raise CaseError(
                case, f"{path.name} keeps its voxels in '{data}'; want one file beside it"
            )
        stored = (path.parent / data).stat().st_size
    packed = (
        fields.get("encoding", "raw") != "raw"
        if nrrd
        else fields.get("compresseddata", "false").lower() == "true"
    )
    if packed:
        stored = min(stored * 1032, wanted) if stored > 0 else 0
        if not nrrd and "compresseddatasize" in fields and data.upper() == "LOCAL":  # type: ignore[union-attr]
            promised = int(fields["compresseddatasize"])
            if path.stat().st_size - body < promised:
                stored = path.stat().st_size - body
                wanted = promised
    if stored < wanted:
        problem = f"{path.name} is cut short: {stored:,} bytes of voxels of {wanted:,}"
        raise CaseError(case, f"{problem}; copy it again")


def _meta_fields(start: bytes) -> tuple[dict[str, str], int]:
    """Keys in lower case and values of a MetaImage header, which ends with ElementDataFile."""
    fields: dict[str, str] = {"elementdatafile": "LOCAL"}
    position = 0
    for line in start.splitlines(keepends=True):
        position += len(line)
        key, _, value = line.decode("latin-1").partition("=")
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            break
    return fields, position


def _nrrd_fields(start: bytes) -> tuple[dict[str, str], int]:
    """Keys in lower case and values of an NRRD header, which ends with an empty line."""
    fields: dict[str, str] = {}
    position = 0
    for line in start.splitlines(keepends=True):
        position += len(line)
        text = line.decode("latin-1").strip()
        if not text:
            break
        key, _, value = text.partition(":")
        if not text.startswith("#"):
            fields[key.strip().lower()] = value.strip().lstrip("=").strip()
    return fields, position
