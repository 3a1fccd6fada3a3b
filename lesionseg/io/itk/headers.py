"""Text headers of MetaImage and NRRD, compared with their voxels before SimpleITK reads either.

SimpleITK silently fills in what is missing, and opens any path that a header names.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from lesionseg.errors import CaseError, UsageError
from lesionseg.io.itk.header_fields import (
    FLAGS,
    LONGEST_SHOWN,
    header_fields,
    meta_flag,
    natural,
    number,
)
from lesionseg.io.itk.voxels import VoxelBytes, check_voxels
from lesionseg.storage.safe_path import path_inside
from lesionseg.storage.text_file import open_regular

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
PLACES = {  # of a volume in the world: each group needs one of its keys
    True: (("spacedirections",), ("spaceorigin",), ("space",)),
    False: (
        ("elementspacing", "elementsize"),
        ("transformmatrix", "orientation", "rotation"),
        ("offset", "position", "origin"),
    ),
}
PLACE_NUMBERS = {  # MetaImage's numbers of a volume's place: how many, of its dimensions
    **dict.fromkeys(("elementspacing", "elementsize", "offset", "position", "origin"), 1),
    **dict.fromkeys(("transformmatrix", "orientation", "rotation"), 2),
}
BYTE_ORDER = ("binarydatabyteordermsb", "elementbyteordermsb")
ELSEWHERE = ("imageposition", "elementorigin", "elementdirection")  # of later versions of MetaIO
OLD_PLACES = ("position", "origin", "orientation", "rotation")  # of version 0 of MetaImage alone
LOCAL = ("LOCAL", "Local", "local")  # the voxels follow the header
UNSCALED = {  # what would change voxels or voxel sizes, and SimpleITK passes over; what is harmless
    "elementtointensityfunctionslope": ("1",),
    "elementtointensityfunctionoffset": ("0",),
    "distanceunits": ("mm", "?"),
}
KNOWN_SPACES = {"right-anterior-superior", "ras", "left-anterior-superior", "las"}
KNOWN_SPACES |= {"left-posterior-superior", "lps"}


def check_header(path: Path, case: str) -> VoxelBytes:
    """What the header of a MetaImage or NRRD file says of its voxels, which are all there.

    Raises CaseError for a header that contradicts itself or the files, or leads out of its folder,
    and for voxels that are cut short, damaged or followed by something else; OSError.
    """
    nrrd, fields, body = _header(path, case)
    length = _length(fields, nrrd, path.name, case)
    data = _voxel_file(path, nrrd, fields, case)
    local = data == path
    packed = _packing(fields, nrrd, path.name, case)
    first = body if local else 0
    said = fields.get("compresseddatasize", "") if packed == "zlib" else None
    voxels = VoxelBytes(
        path=data,
        begin=_begin(fields, data, first, local or packed is not None, path.name, case),
        length=length,
        packed=packed,
        packed_length=None if said is None else natural(said) or 0,
        unplaced=_unplaced(fields, nrrd, path.name, case),
        format="NrrdImageIO" if nrrd else "MetaImageIO",
    )
    check_voxels(voxels, path.name, case)
    return voxels


def voxel_file(path: Path, case: str) -> Path:
    """The file that holds the voxels: a detached header names it. Raises CaseError, OSError."""
    nrrd, fields, _ = _header(path, case)
    return _voxel_file(path, nrrd, fields, case)


def _header(path: Path, case: str) -> tuple[bool, dict[str, str], int]:
    """Whether it is NRRD, its fields, and the byte at which the header ends."""
    with open_regular(path) as raw:
        start = raw.read(MAX_HEADER)
    if not start:
        raise CaseError(case, f"{path.name} is empty; copy it again")
    nrrd = start.startswith(b"NRRD")
    return (nrrd, *header_fields(start, nrrd, path.name, case))


def _voxel_file(path: Path, nrrd: bool, fields: dict[str, str], case: str) -> Path:
    named = fields.get("datafile" if nrrd else "elementdatafile", "")
    if "datafile" not in fields if nrrd else named in LOCAL:
        return path
    if not named or re.match(r"LIST\b|.*%", named, re.IGNORECASE) or len(named.split()) > 3:
        raise CaseError(case, f"{path.name} keeps its voxels in '{named}'; want one file")
    try:
        return path_inside(path.parent, named)
    except UsageError as error:
        raise CaseError(case, f"{path.name}: {error}") from error


def _begin(
    fields: dict[str, str], data: Path, first: int, fixed: bool, name: str, case: str
) -> int:
    """The byte of `data` at which the voxels begin: lines, then bytes, are skipped from `first`.

    fixed: nothing may be skipped, as readers do not agree on where from. Raises CaseError.
    """
    skips = {key: fields.get(key, "0") for key in ("headersize", "byteskip", "lineskip")}
    skips = {key: value for key, value in skips.items() if value != "0"}
    if not skips:
        return first
    counts = {key: natural(value) for key, value in skips.items()}
    if fixed or None in counts.values():
        said = ", ".join(f"{key} {value}" for key, value in skips.items())
        raise CaseError(
            case,
            f"{name} skips what comes before its voxels by {said}; want a number of bytes or lines "
            "of a plain file of their own: convert it",
        )
    with open_regular(data) as raw:
        raw.seek(first)
        for _ in range(counts.get("lineskip") or 0):
            if not raw.readline(MAX_HEADER):
                break
        return raw.tell() + sum(counts.get(key) or 0 for key in ("headersize", "byteskip"))


def _length(fields: dict[str, str], nrrd: bool, name: str, case: str) -> int:
    """Bytes of all voxels, unpacked."""
    sizes = fields.get("sizes" if nrrd else "dimsize", "").split()
    kind = fields.get("type" if nrrd else "elementtype", "")
    each = (NRRD_BYTES if nrrd else MET_BYTES).get(kind)
    dims = fields.get("dimension" if nrrd else "ndims", "")
    whole = all(natural(size) for size in sizes)
    if each is None or not whole or not 3 <= len(sizes) <= 7 or dims != str(len(sizes)):
        shown = " ".join(sizes)[:LONGEST_SHOWN]
        problem = f"{name} has sizes '{shown}' in {dims[:LONGEST_SHOWN] or 'no'} dimensions"
        raise CaseError(
            case, f"{problem} and voxel type '{kind}'; want three whole numbers and a real type"
        )
    channels = natural(fields.get("elementnumberofchannels", "1"))
    return math.prod(map(int, sizes)) * each * (channels or 1)


def _packing(fields: dict[str, str], nrrd: bool, name: str, case: str) -> str | None:
    if not nrrd:
        if not meta_flag(fields, "BinaryData", True, name, case):
            raise CaseError(case, f"{name} holds its voxels as text; want binary: convert it")
        return "zlib" if meta_flag(fields, "CompressedData", False, name, case) else None
    encoding = fields.get("encoding", "").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise CaseError(case, f"{name} has encoding '{encoding}'; want raw or gzip: convert it")
    return None if encoding == "raw" else "gzip"


def _unplaced(fields: dict[str, str], nrrd: bool, name: str, case: str) -> str:
    """The keys that are missing to place the volume, as text; CaseError for what misplaces it."""
    if not nrrd:
        _refuse_garbled_place(fields, name, case)
    units = set(re.findall(r'"([^"]*)"', fields.get("spaceunits", ""))) - {"mm", "", "s"}
    if units:
        raise CaseError(case, f"{name} has space units {sorted(units)}; want mm")
    space = fields.get("space", "").lower()
    if nrrd and space and space.removesuffix("-time") not in KNOWN_SPACES:
        raise CaseError(case, f"{name} lies in space '{space}', whose axes are not anatomical")
    if nrrd:
        _refuse_garbled_vectors(fields, name, case)
    missing = [group[0] for group in PLACES[nrrd] if not any(key in fields for key in group)]
    return ", ".join(missing)


def _refuse_garbled_vectors(fields: dict[str, str], name: str, case: str) -> None:
    """CaseError for an NRRD's place that SimpleITK would take for something else."""
    for key, words, count in (
        ("spaceorigin", "a space origin", 1),
        ("spacedirections", "space directions", 3),
    ):
        if key not in fields:
            continue
        said = fields[key]
        vectors = re.findall(r"\(([^)]*)\)", said)
        if len(vectors) != count and count == 3:
            raise CaseError(case, f"{name} has space directions of {len(vectors)} axes; want three")
        rest = re.sub(r"\([^)]*\)|none", "", said).strip()
        numbers = [[number(part.strip()) for part in one.split(",")] for one in vectors]
        sound = all(len(one) == 3 and all(map(math.isfinite, one)) for one in numbers)
        if len(vectors) != count or rest or not sound:
            raise CaseError(
                case, f"{name} has {words} {said[:LONGEST_SHOWN]}; want (x,y,z) in numbers"
            )


def _refuse_garbled_place(fields: dict[str, str], name: str, case: str) -> None:
    """CaseError for a MetaImage's place that SimpleITK would mend or pass over without a word."""
    dims = int(fields["ndims"])
    for key, power in PLACE_NUMBERS.items():
        values = [number(part) for part in fields.get(key, "").split()]
        if key.startswith("element") and not all(value > 0 for value in values):
            raise CaseError(case, f"{name} has {key} {fields[key]}; want numbers above 0")
        if key in fields and not (len(values) == dims**power and all(map(math.isfinite, values))):
            raise CaseError(case, f"{name} has {key} {fields[key]}; want {dims**power} numbers")
    for key in ELSEWHERE:
        if key in fields:
            raise CaseError(
                case, f"{name} has {key}, which programs take in different ways; convert it"
            )
    if fields.get("fileformatversion", "0") != "0" and any(key in fields for key in OLD_PLACES):
        raise CaseError(
            case,
            f"{name} has FileFormatVersion {fields['fileformatversion'][:LONGEST_SHOWN]}, in which "
            "Position, Origin, Orientation and Rotation are passed over; convert it",
        )
    for flag in FLAGS:
        meta_flag(fields, flag, False, name, case)
    for key, harmless in UNSCALED.items():
        said = fields.get(key, harmless[0])
        if said not in harmless and number(said) != number(harmless[0]):
            raise CaseError(
                case, f"{name} has {key} {said}, which is not applied; want {harmless[0]}: convert"
            )
    for group in (*PLACES[False][1:], BYTE_ORDER):
        if len(several := [key for key in group if key in fields]) > 1:
            raise CaseError(case, f"{name} gives both {' and '.join(several)}; want one of them")
