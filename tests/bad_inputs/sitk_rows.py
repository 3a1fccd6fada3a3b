"""MetaImage and NRRD files, written by SimpleITK and broken by hand."""

from __future__ import annotations

import functools
import gzip
import os

import numpy as np
import SimpleITK as sitk
from bad_input_rows import ACCEPTED, FIXED, REJECTED, VOXELS, Row, read

NOWHERE = "no usable position in the world"
OUT = "leaves the data folder"


def written(name, *changes, compress=False, image=None, cut=None):
    """A good file of that name with (old, new) bytes replaced in its header."""

    def build(folder):
        made = sitk.GetImageFromArray(VOXELS.T) if image is None else image
        sitk.WriteImage(made, str(folder / name), useCompression=compress)
        data = (folder / name).read_bytes()
        for old, new in changes:
            assert old in data, (old, data[:600])
            data = data.replace(old, new, 1)
        (folder / name).write_bytes(cut(data) if cut else data)
        return folder / name

    return build


mha = functools.partial(written, "scan.mha")
mhd = functools.partial(written, "scan.mhd")
nrrd = functools.partial(written, "scan.nrrd")
packed = functools.partial(written, "scan.mha", compress=True)
assuming = functools.partial(read, assume_affine=True)
RAW = b"ElementDataFile = scan.raw"
SPACING = b"ElementSpacing = 1 1 1"
MATRIX, OFFSET = b"TransformMatrix = 1 0 0 0 1 0 0 0 1", b"Offset = 0 0 0"
PLACE = [(MATRIX + b"\n", b""), (OFFSET + b"\n", b"")]


def elsewhere(text):
    return mhd((RAW, b"ElementDataFile = " + text))


def linked_out(folder):
    path = mhd()(folder)
    (folder / "scan.raw").rename(folder.parent / "scan.raw")
    os.symlink(folder.parent / "scan.raw", folder / "scan.raw")
    return path


def without_raw(folder):
    path = mhd()(folder)
    (folder / "scan.raw").unlink()
    return path


def short_raw(folder):
    path = mhd()(folder)
    (folder / "scan.raw").write_bytes((folder / "scan.raw").read_bytes()[:-2])
    return path


def flipped(data):
    return data[:-40] + bytes([data[-40] ^ 16]) + data[-39:]


def wrong_crc(data):
    """The CRC of a gzip stream stands before its last four bytes."""
    return data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]


def nrrd_claiming(sizes):
    return nrrd((b"sizes: 5 6 7", b"sizes: " + sizes))


def bombed(data):
    head, mark, _ = data.partition(b"encoding: gzip\n")
    rest = data[len(head) + len(mark) :]
    fields = rest[: rest.index(b"\n\n") + 2]
    return head + mark + fields + gzip.compress(VOXELS.tobytes("F") + bytes(32 << 20))


COLOUR = sitk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True)
COMPLEX = sitk.Image([3, 3, 3], sitk.sitkComplexFloat32)
TWO = sitk.JoinSeries([sitk.GetImageFromArray(v.T) for v in (VOXELS, VOXELS + 1)])

ROWS = [
    Row("an empty .mha", mha(cut=lambda d: b""), REJECTED, ("is empty",)),
    Row(
        "an HTML page named .mha",
        mha(cut=lambda d: b"<html></html>\n" * 50),
        REJECTED,
        ("garbled header at line 1",),
    ),
    Row(
        ".mha cut short",
        mha(cut=lambda d: d[:-3]),
        REJECTED,
        ("cut short: 417 bytes of voxels of 420",),
    ),
    Row(
        ".mha, junk after the voxels",
        mha(cut=lambda d: d + b"junk"),
        REJECTED,
        ("goes on after the 420 bytes",),
    ),
    Row(".mha packed, cut short", packed(cut=lambda d: d[:-9]), REJECTED, ("scan.mha",)),
    Row(".mha packed, one bit flipped", packed(cut=flipped), REJECTED, ("damaged packed voxels",)),
    Row(
        ".mha packed, junk behind", packed(cut=lambda d: d + b"junk"), REJECTED, ("goes on after",)
    ),
    Row(
        ".mha packed, without its checksum",
        packed(cut=lambda d: d[:-2]),
        REJECTED,
        ("ends inside its packed voxels",),
    ),
    Row(
        ".mha, a size of 0",
        mha((b"DimSize = 5 6 7", b"DimSize = 5 0 7")),
        REJECTED,
        ("sizes '5 0 7'",),
    ),
    Row(
        ".mha, a negative size",
        mha((b"DimSize = 5 6 7", b"DimSize = 5 -6 7")),
        REJECTED,
        ("sizes '5 -6 7'",),
    ),
    Row(
        ".mha of 8 TB",
        mha((b"DimSize = 5 6 7", b"DimSize = 20000 20000 10000")),
        REJECTED,
        ("cut short", "8,000,000,000,000"),
    ),
    Row(
        ".mha, sizes of other dimensions",
        mha((b"NDims = 3", b"NDims = 2")),
        REJECTED,
        ("in 2 dimensions",),
    ),
    Row(
        ".mha, unknown voxel type",
        mha((b"MET_SHORT", b"MET_FLUSH")),
        REJECTED,
        ("voxel type 'MET_FLUSH'",),
    ),
    Row(
        ".mha, a spacing of 0",
        mha((SPACING, b"ElementSpacing = 1 0 1")),
        REJECTED,
        ("elementspacing 1 0 1; want numbers above 0",),
    ),
    Row(
        ".mha, a negative spacing",
        mha((SPACING, b"ElementSpacing = 1 -1 1")),
        REJECTED,
        ("want numbers above 0",),
    ),
    Row(
        ".mha, a spacing of NaN",
        mha((SPACING, b"ElementSpacing = 1 nan 1")),
        REJECTED,
        ("want numbers above 0",),
    ),
    Row(
        ".mha, a direction of zeros",
        mha((b"1 0 0 0 1 0 0 0 1", b"0 0 0 0 0 0 0 0 0")),
        REJECTED,
        ("cannot be read",),
    ),
    Row(
        ".mha without position",
        mha(*PLACE),
        REJECTED,
        (NOWHERE, "transformmatrix, offset missing", "data.assume_affine=true"),
    ),
    Row(".mha without position, assumed", mha(*PLACE), FIXED, ("position assumed",), assuming),
    Row(
        ".mha, a key twice",
        mha((b"NDims = 3\n", b"NDims = 3\nNDims = 2\n")),
        REJECTED,
        ("garbled header",),
    ),
    Row(".mha, colour", mha(image=COLOUR), REJECTED, ("one real number",)),
    Row(".mha, complex", mha(image=COMPLEX), REJECTED, ("want one real number",)),
    Row(
        ".mha, two volumes", mha(image=TWO), REJECTED, ("several volumes (2 of 5x6x7)", "volume=0")
    ),
    Row(
        ".mha, volume 0 of two",
        mha(image=TWO),
        ACCEPTED,
        use=functools.partial(read, volume=0),
    ),
    Row(".mhd, its .raw is not there", without_raw, REJECTED, ("cannot be read", "No such file")),
    Row(".mhd, its .raw is cut short", short_raw, REJECTED, ("cut short: 418 bytes",)),
    Row(".mhd, voxels at ../", elsewhere(b"../scan.raw"), REJECTED, (OUT,)),
    Row(".mhd, voxels at an absolute path", elsewhere(b"/etc/passwd"), REJECTED, (OUT,)),
    Row(".mhd, voxels on a drive", elsewhere(rb"C:\scan.raw"), REJECTED, (OUT,)),
    Row(".mhd, voxels on a server", elsewhere(rb"\\server\share\scan.raw"), REJECTED, (OUT,)),
    Row(".mhd, voxels behind a link out", linked_out, REJECTED, (OUT, "symbolic link")),
    Row(".mhd, a list of files", elsewhere(b"LIST"), REJECTED, ("want one file",)),
    Row(".mhd, a pattern of files", elsewhere(b"scan%03d.raw 1 7 1"), REJECTED, ("want one file",)),
    Row(".nrrd cut short", nrrd(cut=lambda d: d[:-3]), REJECTED, ("cut short",)),
    Row(
        ".nrrd packed, wrong CRC",
        nrrd(compress=True, cut=wrong_crc),
        REJECTED,
        ("damaged packed voxels", "CRC"),
    ),
    Row(
        ".nrrd packed, cut short",
        nrrd(compress=True, cut=lambda d: d[:-20]),
        REJECTED,
        ("ends inside its packed voxels",),
    ),
    Row(
        ".nrrd, gzip bomb behind the voxels",
        nrrd(compress=True, cut=bombed),
        REJECTED,
        ("goes on after the 420 bytes",),
    ),
    Row(".nrrd of 8 TB", nrrd_claiming(b"20000 20000 10000"), REJECTED, ("cut short",)),
    Row(".nrrd, sizes in words", nrrd_claiming(b"a few more"), REJECTED, ("sizes 'a few more'",)),
    Row(
        ".nrrd without a space",
        nrrd((b"space: left-posterior-superior\n", b"")),
        REJECTED,
        (NOWHERE, "space missing"),
    ),
    Row(
        ".nrrd in a space of its own",
        nrrd((b"left-posterior-superior", b"scanner-xyz")),
        REJECTED,
        ("space 'scanner-xyz'",),
    ),
    Row(
        ".nrrd, voxels at ../",
        nrrd((b"encoding: raw\n", b"encoding: raw\ndata file: ../x\n")),
        REJECTED,
        (OUT,),
    ),
    Row(
        ".nrrd, text voxels",
        nrrd((b"encoding: raw", b"encoding: ascii")),
        REJECTED,
        ("encoding 'ascii'",),
    ),
    Row(".nrrd named .mha", lambda f: nrrd()(f).rename(f / "scan.mha"), ACCEPTED),
]
