"""Headers of MetaImage and NRRD that SimpleITK would mend, pass over or read past."""

from __future__ import annotations

import re

from bad_input_rows import ACCEPTED, REJECTED, Row
from sitk_rows import MATRIX, NOWHERE, OFFSET, SPACING, mha, mhd, nrrd, packed


def compressed_size(more, *, said=True):
    """A packed file whose header says so many bytes more than there are, or nothing."""

    def cut(data):
        line = re.search(rb"CompressedDataSize = (\d+)\n", data)
        new = b"CompressedDataSize = %d\n" % (int(line[1]) + more) if said else b""
        return data.replace(line[0], new)

    return packed(cut=cut)


def skipping(value, before, after=0):
    """An .mhd that skips `value` bytes of a .raw with `before` of them and the last ones cut."""

    def build(folder):
        path = mhd((b"NDims = 3\n", b"NDims = 3\nHeaderSize = " + value + b"\n"))(folder)
        raw = folder / "scan.raw"
        raw.write_bytes(bytes(before) + raw.read_bytes()[: len(raw.read_bytes()) - after])
        return path

    return build


def detached_nrrd(line, before, after=0):
    """An .nhdr with one more line and its voxels, the last ones cut, behind other bytes."""

    def build(folder):
        head, _, voxels = nrrd()(folder).read_bytes().partition(b"\n\n")
        (folder / "scan.raw").write_bytes(before + voxels[: len(voxels) - after])
        path = folder / "scan.nhdr"
        path.write_bytes(head + b"\n" + line + b"\ndata file: scan.raw\n\n")
        return path

    return build


ROWS = [
    Row(
        ".mha packed, fewer bytes in its header",
        compressed_size(-50),
        REJECTED,
        ("bytes of packed voxels (CompressedDataSize), it holds", "write it again"),
    ),
    Row(
        ".mha packed, more bytes in its header",
        compressed_size(10),
        REJECTED,
        ("bytes of packed voxels (CompressedDataSize), it holds",),
    ),
    Row(
        ".mha packed, no number of bytes in its header",
        compressed_size(0, said=False),
        REJECTED,
        ("says no bytes of packed voxels",),
    ),
    *(
        Row(f".mha, {name}", mha((old, new)), REJECTED, words)
        for name, old, new, words in (
            (
                "voxels from a byte of its header",
                b"NDims = 3\n",
                b"NDims = 3\nHeaderSize = 10\n",
                ("headersize 10", "convert it"),
            ),
            (
                "axes that are no unit vectors",
                MATRIX,
                b"TransformMatrix = 2 0 0 0 1 0 0 0 1",
                ("directions that are 1 longer or shorter than 1",),
            ),
            (
                "axes sheared by 0.3",
                MATRIX,
                b"TransformMatrix = 0.9578263 0.2873479 0 0 1 0 0 0 1",
                (NOWHERE, "sheared by 0.287"),
            ),
            (
                "a matrix in words",
                MATRIX,
                b"TransformMatrix = a b c d e f g h i",
                ("transformmatrix a b", "want 9 numbers"),
            ),
            ("an offset of NaN", OFFSET, b"Offset = 0 nan 0", ("offset 0 nan 0; want 3 numbers",)),
            ("an offset of two numbers", OFFSET, b"Offset = 0 0", ("offset 0 0; want 3 numbers",)),
            (
                "an offset and a position",
                OFFSET,
                b"Offset = 0 0 0\nPosition = 0 0 9",
                ("gives both offset and position; want one of them",),
            ),
            (
                "two byte orders",
                b"NDims = 3\n",
                b"NDims = 3\nElementByteOrderMSB = True\n",
                ("gives both binarydatabyteordermsb and elementbyteordermsb",),
            ),
            (
                "two spacings",
                SPACING,
                b"ElementSpacing = 1 1",
                ("elementspacing 1 1; want 3 numbers",),
            ),
            (
                "a scaling of intensities",
                b"NDims = 3\n",
                b"NDims = 3\nElementToIntensityFunctionSlope = 2\n",
                ("elementtointensityfunctionslope 2, which is not applied",),
            ),
            (
                "lengths in micron",
                b"NDims = 3\n",
                b"NDims = 3\nDistanceUnits = um\n",
                ("distanceunits um", "want mm"),
            ),
            (
                "a size of 5,000 digits",
                b"DimSize = 5 6 7",
                b"DimSize = 5 6 " + b"7" * 5000,
                ("sizes '5 6 777", "want three whole numbers"),
            ),
        )
    ),
    Row(".mhd, 100 bytes skipped", skipping(b"100", 100), ACCEPTED),
    Row(
        ".mhd, 100 bytes skipped, cut short",
        skipping(b"100", 100, 50),
        REJECTED,
        ("cut short: 370 bytes of voxels of 420",),
    ),
    Row(
        ".mhd, an unknown number of bytes skipped",
        skipping(b"-1", 100, 50),
        REJECTED,
        ("headersize -1", "want a number of bytes"),
    ),
    Row(
        ".nrrd, an axis that is not of space",
        nrrd((b"(0,1,0)", b"none")),
        REJECTED,
        ("space directions of 2 axes; want three",),
    ),
    Row(
        ".nrrd, axes sheared by 0.3",
        nrrd((b"(0,1,0)", b"(0.3,1,0)")),
        REJECTED,
        (NOWHERE, "sheared by 0.287"),
    ),
    Row(".nhdr, two lines skipped", detached_nrrd(b"line skip: 2", b"a\nb\n"), ACCEPTED),
    Row(
        ".nhdr, 100 bytes skipped, cut short",
        detached_nrrd(b"byte skip: 100", bytes(100), 60),
        REJECTED,
        ("cut short: 360 bytes of voxels of 420",),
    ),
    Row(
        ".nhdr, an unknown number of bytes skipped",
        detached_nrrd(b"byte skip: -1", bytes(10)),
        REJECTED,
        ("byteskip -1", "want a number of bytes"),
    ),
]
