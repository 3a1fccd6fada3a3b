"""The fields of a MetaImage or NRRD header, by the keys that their own libraries know.

MetaIO passes over a key that it does not know, and so over one in other letters: a volume would lie
elsewhere, or its voxels be others, than its header says to whoever reads it. (metaUtils.cxx,
MET_Read; metaObject.cxx and metaImage.cxx, M_SetupReadFields and M_Read.)
"""

from __future__ import annotations

import math
import re

from lesionseg.errors import CaseError

LONGEST_TEXT = (
    490  # letters of a key or a text that MetaIO takes whole; numbers it reads one by one
)
LONGEST_SHOWN = 60  # letters of a garbled value in a message
META_KEYS = (
    "ObjectType",
    "ObjectSubType",
    "FileFormatVersion",
    "Comment",
    "AcquisitionDate",
    "NDims",
    "Name",
    "ID",
    "ParentID",
    "CompressedData",
    "CompressedDataSize",
    "BinaryData",
    "ElementByteOrderMSB",
    "BinaryDataByteOrderMSB",
    "Color",
    "Position",
    "Origin",
    "Offset",
    "TransformMatrix",
    "Rotation",
    "Orientation",
    "CenterOfRotation",
    "DistanceUnits",
    "AnatomicalOrientation",
    "ElementSpacing",
    "DimSize",
    "HeaderSize",
    "Modality",
    "ImagePosition",
    "ElementOrigin",
    "ElementDirection",
    "SequenceID",
    "ElementMin",
    "ElementMax",
    "ElementNumberOfChannels",
    "ElementSize",
    "ElementNBits",
    "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset",
    "ElementType",
    "ElementDataFile",
)
FLAGS = ("CompressedData", "BinaryData", "ElementByteOrderMSB", "BinaryDataByteOrderMSB")
YES, NO = ("true", "t", "1"), ("false", "f", "0")
NUMBERS = re.compile(r"[0-9.eE+\s-]*")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def header_fields(start: bytes, nrrd: bool, name: str, case: str) -> tuple[dict[str, str], int]:
    """Keys, in lower case without spaces, and values; and the byte at which the header ends.

    start: the first bytes of the file, more than a header takes. Raises CaseError for a line that
    is no field, a key twice, or one that only looks like a known one.
    """
    fields: dict[str, str] = {}
    position = 0
    for number, line in enumerate(start.splitlines(keepends=True)):
        position += len(line)
        text = line.decode("latin-1").strip("\r\n")
        if nrrd and not text.strip():
            break
        if not text.strip() or (nrrd and (number == 0 or text.startswith("#"))):
            continue
        if nrrd and (": " not in text or 0 <= text.find(":=") < text.find(": ")):
            if ":=" not in text:
                raise CaseError(case, f"{name} has a garbled header at line {number + 1}; mend it")
            continue  # a key and value of somebody's own
        key, parted, value = text.partition(": " if nrrd else "=")
        key, value = key.strip(), value.strip()
        plain = key.lower().replace(" ", "")
        sound = parted and plain not in fields and plain.isascii() and value.isprintable()
        if not sound or line.endswith(b"\r") or (not nrrd and (":" in key or not plain)):
            raise CaseError(case, f"{name} has a garbled header at line {number + 1}; mend it")
        if not nrrd:
            _refuse_other_spelling(key, name, case)
            texts = (key, value if key in META_KEYS and not NUMBERS.fullmatch(value) else "")
            if max(map(len, texts)) > LONGEST_TEXT:
                raise CaseError(
                    case,
                    f"{name} has over {LONGEST_TEXT} letters in {key[:LONGEST_SHOWN]}; want fewer",
                )
        fields[plain] = value
        if plain == "elementdatafile":
            break
    return fields, position


def meta_flag(fields: dict[str, str], key: str, default: bool, name: str, case: str) -> bool:
    """A MetaImage's flag. Raises CaseError for other words, which MetaIO takes by one letter."""
    said = fields.get(key.lower())
    if said is None:
        return default
    if said.lower() not in (*YES, *NO):
        raise CaseError(case, f"{name} has {key} '{said[:LONGEST_SHOWN]}'; want True or False")
    return said.lower() in YES


def natural(text: str) -> int | None:
    """A whole number of bytes, lines or voxels; None for anything else."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def number(text: str) -> float:
    """A decimal number as every C program reads it; NaN for anything else."""
    return float(text) if NUMBER.fullmatch(text) else math.nan


def _refuse_other_spelling(key: str, name: str, case: str) -> None:
    def letters(text: str) -> str:
        return re.sub(r"[^a-z]", "", text.lower())

    for known in META_KEYS:
        if key != known and letters(key) == letters(known):
            raise CaseError(
                case, f"{name} spells {known} as '{key}', which is passed over; mend it"
            )
