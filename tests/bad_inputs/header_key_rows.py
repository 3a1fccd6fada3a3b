"""Keys, flags and values that MetaIO or Teem take otherwise than a person reads them."""

from __future__ import annotations

import os
from pathlib import Path

from bad_input_rows import ACCEPTED, REJECTED, Row
from sitk_rows import NOWHERE, OFFSET, SPACING, assuming, mha, mhd, nrrd, packed

DIMS = b"NDims = 3\n"
PLAIN = b"CompressedData = False"
LITTLE = b"BinaryDataByteOrderMSB = False"
ORIGIN = b"space origin: (0,0,0)"


def after_dims(line):
    return (DIMS, DIMS + line + b"\n")


def odd_name(folder):
    path = mha()(folder)
    os.rename(os.fsencode(path), os.fsencode(folder) + b"/\xff.mha")
    return Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mha"))


def las(folder):
    """Left-anterior-superior: the same place as SimpleITK's own, its second axis turned round."""
    path = nrrd((b"left-posterior-superior", b"left-anterior-superior"), (b"(0,1,0)", b"(0,-1,0)"))
    return path(folder)


ROWS = [
    *(
        Row(f".mha, {name}", mha(change), REJECTED, words)
        for name, change, words in (
            (
                "a key in small letters",
                (OFFSET, b"offset = 0 0 9"),
                ("spells Offset as 'offset', which is passed over; mend it",),
            ),
            (
                "a key in capitals",
                (SPACING, b"ELEMENTSPACING = 1 1 5"),
                ("spells ElementSpacing as 'ELEMENTSPACING'",),
            ),
            (
                "a key with a space in it",
                (SPACING, b"Element Spacing = 1 1 5"),
                ("spells ElementSpacing as 'Element Spacing'",),
            ),
            (
                "a key with an underscore",
                (LITTLE, b"BinaryData_ByteOrderMSB = True"),
                ("spells BinaryDataByteOrderMSB as",),
            ),
            ("a key that ends at a colon", (OFFSET, b"Offset: 0 = 0"), ("garbled header",)),
            ("a line without a value", (OFFSET, OFFSET + b"\nOffset"), ("garbled header",)),
            ("a byte order of Yes", (LITTLE, LITTLE[:25] + b"Yes"), ("'Yes'; want True or False",)),
            (
                "the other byte order of Yes",
                (LITTLE, b"ElementByteOrderMSB = Yes"),
                ("ElementByteOrderMSB 'Yes'; want True or False",),
            ),
            (
                "packed by the letter t, its voxels plain",
                (PLAIN, b"CompressedData = t"),
                ("damaged packed voxels",),
            ),
            (
                "packed by the letter T, its voxels plain",
                (PLAIN, b"CompressedData = T"),
                ("damaged packed voxels",),
            ),
            (
                "packed by True!",
                (PLAIN, b"CompressedData = True!"),
                ("CompressedData 'True!'; want True or False",),
            ),
            ("packed by 2", (PLAIN, b"CompressedData = 2"), ("'2'; want True or False",)),
            (
                "voxels as text",
                (b"BinaryData = True", b"BinaryData = False"),
                ("holds its voxels as text",),
            ),
            (
                "a position by another key",
                after_dims(b"ImagePosition = 0 0 9"),
                ("imageposition, which programs take in different ways",),
            ),
            (
                "a direction by another key",
                after_dims(b"ElementDirection = -1 0 0 0 1 0 0 0 1"),
                ("elementdirection, which programs take in different ways",),
            ),
            (
                "a position of an older version",
                (OFFSET, b"FileFormatVersion = 1\nPosition = 0 0 9"),
                ("FileFormatVersion 1, in which Position",),
            ),
            (
                "a decimal comma",
                (SPACING, b"ElementSpacing = 1 1 1,5"),
                ("elementspacing 1 1 1,5; want numbers above 0",),
            ),
            (
                "an underscore in a number",
                (OFFSET, b"Offset = 0 0 1_0"),
                ("offset 0 0 1_0; want 3 numbers",),
            ),
            (
                "a comment of 5,000 letters",
                after_dims(b"Comment = " + b"x" * 5000),
                ("over 490 letters in Comment",),
            ),
            ("line ends of an old Mac", (DIMS, b"NDims = 3\r"), ("garbled header",)),
            (
                "a place of voxels in other letters",
                (b"ElementDataFile = LOCAL", b"ElementDataFile = LoCaL"),
                ("cannot be read",),
            ),
            (
                "voxels of 100 mm",
                (SPACING, b"ElementSpacing = 1 1 100"),
                ("voxels of 1x1x100 mm; want 0.001 to 50",),
            ),
        )
    ),
    Row(
        ".mhd, packed by the letter T, its voxels plain",
        mhd((PLAIN, b"CompressedData = T")),
        REJECTED,
        ("damaged packed voxels",),
    ),
    Row(
        ".mha packed, said by 1",
        packed((b"CompressedData = True", b"CompressedData = 1")),
        ACCEPTED,
    ),
    Row(
        ".mha, a key of somebody's own",
        mha(after_dims(b"Scanner: none = 3 T")),
        REJECTED,
        ("garbled",),
    ),
    Row(
        ".mha, a name that is not UTF-8",
        odd_name,
        REJECTED,
        ("or its folder is named in no UTF-8; rename it",),
    ),
    Row(".mha, an unknown key", mha(after_dims(b"0008|0060 = MR: 3 T")), ACCEPTED),
    *(
        Row(f".nrrd, {name}", nrrd(change), REJECTED, words)
        for name, change, words in (
            (
                "an origin of none",
                (ORIGIN, b"space origin: none"),
                ("a space origin none; want (x,y,z) in numbers",),
            ),
            (
                "an origin of two numbers",
                (ORIGIN, b"space origin: (0,0)"),
                ("a space origin (0,0); want (x,y,z)",),
            ),
            (
                "more behind its origin",
                (ORIGIN, ORIGIN + b" (0,0,9)"),
                ("a space origin (0,0,0) (0,0,9); want (x,y,z)",),
            ),
            (
                "an origin of somebody's own",
                (ORIGIN, b"space origin:=(0,0,9)"),
                (NOWHERE, "spaceorigin missing"),
            ),
            (
                "a direction with an underscore",
                (b"(0,1,0)", b"(0,1_0,0)"),
                ("space directions", "want (x,y,z) in numbers"),
            ),
            (
                "a direction of NaN",
                (b"(0,1,0)", b"(0,nan,0)"),
                ("space directions", "want (x,y,z) in numbers"),
            ),
            ("a line without a value", (ORIGIN, b"space origin"), ("garbled header",)),
        )
    ),
    Row(
        ".nrrd, an origin with more behind it, assumed",
        nrrd((ORIGIN, b"space origin: (0,0,9) := ")),
        REJECTED,
        ("a space origin (0,0,9) :=; want (x,y,z)",),
        assuming,
    ),
    Row(".nrrd, keys in capitals", nrrd((ORIGIN, b"SPACE ORIGIN: (0,0,0)")), ACCEPTED),
    Row(".nrrd, a key of somebody's own", nrrd((ORIGIN, ORIGIN + b"\nScanner:=3 T: x")), ACCEPTED),
    Row(".nrrd, a left-anterior-superior space", las, ACCEPTED),
]
