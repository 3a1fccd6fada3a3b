"""NIfTI files broken byte by byte. Offsets are those of the NIfTI-1 header."""

from __future__ import annotations

import functools
import gzip
import io
import os
import struct

import nibabel as nib
import numpy as np
from bad_input_rows import ACCEPTED, AFFINE, FIXED, REJECTED, VOXELS, WARNED, Row, read, save

NAN, INF = float("nan"), float("inf")
HTML = b"<!DOCTYPE html><html><body>404 not found</body></html>" * 20
NOWHERE = "no usable position in the world"


def content(name, data):
    def build(folder):
        (folder / name).write_bytes(data)
        return folder / name

    return build


def plain_bytes(folder, **options):
    return save(folder / "made.nii", **options).read_bytes()


def patched(*changes, zipped=False, **options):
    """A good file with (offset, format, values...) written over it."""

    def build(folder):
        data = bytearray(plain_bytes(folder, **options))
        for offset, form, *values in changes:
            struct.pack_into(form, data, offset, *values)
        (folder / "made.nii").unlink()
        path = folder / ("scan.nii.gz" if zipped else "scan.nii")
        path.write_bytes(gzip.compress(bytes(data)) if zipped else bytes(data))
        return path

    return build


def zipped(change):
    """A good .nii.gz whose bytes `change` made into others."""

    def build(folder):
        path = folder / "scan.nii.gz"
        path.write_bytes(change(gzip.compress(plain_bytes(folder))))
        (folder / "made.nii").unlink()
        return path

    return build


def unzipped(change):
    def build(folder):
        path = folder / "scan.nii"
        path.write_bytes(change(plain_bytes(folder)))
        (folder / "made.nii").unlink()
        return path

    return build


def saved(array=VOXELS, name="scan.nii.gz", **options):
    return lambda folder: save(folder / name, array, **options)


def flipped(data):
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]


def bomb(folder):
    """A small volume, and 64 MB of zeros behind it in 64 kB of stream."""
    path = folder / "scan.nii.gz"
    path.write_bytes(gzip.compress(plain_bytes(folder) + bytes(64 << 20)))
    (folder / "made.nii").unlink()
    return path


def forms(sform_rows=None, *, sform=1, qform=1, changes=()):
    rows = AFFINE[:3] if sform_rows is None else np.asarray(sform_rows)
    return patched((252, "<2h", qform, sform), (280, "<12f", *rows.ravel()), *changes)


def sheared(by):
    rows = AFFINE[:3].copy()
    rows[0, 1] += by * AFFINE[1, 1]
    return rows


def moved(by):
    rows = AFFINE[:3].copy()
    rows[0, 3] += by
    return rows


def dangling(folder):
    os.symlink(folder / "absent", folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


def circle(folder):
    os.symlink(folder / "scan.nii.gz", folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


def empty_folder(folder):
    (folder / "scan.nii.gz").mkdir()
    return folder / "scan.nii.gz"


def read_only(folder):
    path = save(folder / "scan.nii.gz")
    path.chmod(0o400)
    return path


def odd_name(folder):
    name = b"sc\xe9n.nii".decode("utf-8", "surrogateescape")
    return save(folder / "made.nii").rename(folder / name)


def pickled(folder):
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return content("scan.nii", stream.getvalue())(folder)


COLOUR = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
HUGE = (42, "<3h", 32767, 32767, 32767)
assuming = functools.partial(read, assume_affine=True)

ROWS = [
    Row("an empty file", content("scan.nii.gz", b""), REJECTED, ("holds 0 bytes",)),
    Row("one byte", content("scan.nii.gz", b"\x1f"), REJECTED, ("holds 1 bytes",)),
    Row("an HTML page named .nii.gz", content("scan.nii.gz", HTML), REJECTED, ("not NIfTI",)),
    Row(
        "a ZIP archive named .nii.gz",
        content("scan.nii.gz", b"PK\3\4" + bytes(900)),
        REJECTED,
        ("not NIfTI",),
    ),
    Row("a pickled .npy named .nii", pickled, REJECTED, ("bytes; a NIfTI header alone takes 348",)),
    Row("half a header", unzipped(lambda d: d[:170]), REJECTED, ("holds 170 bytes",)),
    Row(
        "a header and no voxel",
        unzipped(lambda d: d[:352]),
        REJECTED,
        ("holds at most 352 bytes", "772"),
    ),
    Row("plain file, last bytes missing", unzipped(lambda d: d[:-3]), REJECTED, ("copy it again",)),
    Row(
        "plain file, junk after the voxels",
        unzipped(lambda d: d + b"junk"),
        REJECTED,
        ("goes on after the 772 bytes",),
    ),
    Row("an empty folder named .nii.gz", empty_folder, REJECTED, ("holds no DICOM file",)),
    Row(
        "a file that is not there",
        lambda folder: folder / "scan.nii.gz",
        REJECTED,
        ("no such file",),
    ),
    Row("a dangling link", dangling, REJECTED, ("cannot be read", "no such file")),
    Row("a link to itself", circle, REJECTED, ("cannot be read",)),
    Row(
        "gzip cut in half",
        zipped(lambda d: d[: len(d) // 2]),
        REJECTED,
        ("ends inside its gzip stream",),
    ),
    Row(
        "gzip without its checksum",
        zipped(lambda d: d[:-8]),
        REJECTED,
        ("ends inside its gzip stream",),
    ),
    Row(
        "gzip, wrong CRC",
        zipped(lambda d: d[:-8] + bytes([d[-8] ^ 1]) + d[-7:]),
        REJECTED,
        ("damaged gzip stream", "CRC"),
    ),
    Row(
        "gzip, wrong length in the trailer",
        zipped(lambda d: d[:-4] + bytes([d[-4] ^ 1]) + d[-3:]),
        REJECTED,
        ("damaged gzip stream",),
    ),
    Row("gzip, one bit flipped", zipped(flipped), REJECTED, ("scan.nii.gz",)),
    Row(
        "gzip, junk after the stream",
        zipped(lambda d: d + b"junk" * 9),
        REJECTED,
        ("damaged gzip stream",),
    ),
    Row(
        "gzip, a second stream behind",
        zipped(lambda d: d + gzip.compress(b"more")),
        REJECTED,
        ("goes on after",),
    ),
    Row("gzip in gzip", zipped(gzip.compress), REJECTED, ("scan.nii.gz",)),
    Row("gzip bomb behind the voxels", bomb, REJECTED, ("goes on after the 772 bytes",)),
    Row(
        "gzip bomb: header of 70 TB",
        patched(HUGE, zipped=True),
        REJECTED,
        ("header says 70,3", "copy it again"),
    ),
    Row("plain header of 70 TB", patched(HUGE), REJECTED, ("header says 70,3",)),
    Row("a dimension of 0", patched((42, "<h", 0)), REJECTED, ("dimensions",)),
    Row("a negative dimension", patched((42, "<h", -5)), REJECTED, ("dimensions",)),
    Row("0 dimensions", patched((40, "<h", 0)), REJECTED, ("dimensions",)),
    Row("9 dimensions", patched((40, "<h", 9)), REJECTED, ("dimensions",)),
    Row("one slice more than there is", patched((46, "<h", 8)), REJECTED, ("holds at most",)),
    Row("one slice fewer than there is", patched((46, "<h", 6)), REJECTED, ("goes on after",)),
    Row("a flat image", saved(VOXELS[..., 0]), REJECTED, ("want three",)),
    Row(
        "4D, two volumes",
        saved(np.stack([VOXELS] * 2, -1)),
        REJECTED,
        ("several volumes (2 of 5x6x7)", "volume=0"),
    ),
    Row(
        "4D, volume 1 asked for",
        saved(np.stack([VOXELS + 1, VOXELS], -1)),
        WARNED,
        ("2 volumes; number 1 is read",),
        functools.partial(read, volume=1),
    ),
    Row(
        "4D, volume 2 of 2 asked for",
        saved(np.stack([VOXELS] * 2, -1)),
        REJECTED,
        ("no volume 2; it holds 2",),
        functools.partial(read, volume=2),
    ),
    Row("4D, one volume", saved(VOXELS[..., None]), ACCEPTED),
    Row(
        "a displacement field, 5D",
        saved(np.stack([VOXELS] * 3, -1)[:, :, :, None]),
        REJECTED,
        ("several volumes (3 of",),
    ),
    Row(
        "NIfTI-2, 2^60 voxels",
        patched((24, "<q", 1 << 60), kind=nib.Nifti2Image),
        REJECTED,
        ("header says",),
    ),
    Row("wrong magic", patched((344, "<4s", b"abc\0")), REJECTED, ("wrong size or magic",)),
    Row("wrong header size", patched((0, "<i", 347)), REJECTED, ("wrong size or magic",)),
    Row("half of a .hdr/.img pair", patched((344, "<4s", b"ni1\0")), REJECTED, (".hdr/.img pair",)),
    Row("unknown voxel type", patched((70, "<h", 77)), REJECTED, ("voxel type 77",)),
    Row("one bit a voxel", patched((70, "<h", 1)), REJECTED, ("(bits)",)),
    Row("128-bit floats", patched((70, "<h", 1536)), REJECTED, ("128-bit",)),
    Row("colour", saved(COLOUR), REJECTED, ("RGB colour", "want one real number a voxel")),
    Row("complex numbers", saved(VOXELS.astype(np.complex64)), REJECTED, ("complex",)),
    Row(
        "voxel type and bits disagree",
        patched((72, "<h", 8)),
        REJECTED,
        ("8 bits a voxel", "has 16"),
    ),
    Row("voxels inside the header", patched((108, "<f", 100.0)), REJECTED, ("byte 100",)),
    Row("voxels at byte NaN", patched((108, "<f", NAN)), REJECTED, ("byte nan",)),
    Row("voxels at byte 400.5", patched((108, "<f", 400.5)), REJECTED, ("byte 400.5",)),
    Row("voxels beyond the file", patched((108, "<f", 1e30)), REJECTED, ("header says",)),
    Row(
        "slope NaN with an intercept",
        patched((112, "<2f", NAN, 5.0)),
        REJECTED,
        ("slope nan, intercept 5",),
    ),
    Row("slope infinite", patched((112, "<2f", INF, 0.0)), REJECTED, ("slope inf",)),
    Row("intercept NaN", patched((112, "<2f", 2.0, NAN)), REJECTED, ("intercept nan",)),
    Row(
        "slope 0 with an intercept",
        patched((112, "<2f", 0.0, 5.0)),
        WARNED,
        ("intercept 5 with slope 0; it is not applied",),
    ),
    Row("slope and intercept NaN: unset", patched((112, "<2f", NAN, NAN)), ACCEPTED),
    Row("slope 0: unset", patched((112, "<2f", 0.0, 0.0)), ACCEPTED),
    Row(
        "no sform, no qform",
        forms(sform=0, qform=0),
        REJECTED,
        (NOWHERE, "sform has code 0 and qform has code 0", "data.assume_affine=true"),
    ),
    Row(
        "no sform, no qform, position assumed",
        forms(sform=0, qform=0),
        FIXED,
        ("position assumed, voxels of 0.5x0.7x3 mm",),
        assuming,
    ),
    Row(
        "no forms and no voxel size, position assumed",
        forms(sform=0, qform=0, changes=[(80, "<3f", 0, 0, 0)]),
        REJECTED,
        ("nor voxel size",),
        assuming,
    ),
    Row(
        "sform of zeros, no qform",
        forms(np.zeros((3, 4)), qform=0),
        REJECTED,
        (NOWHERE, "voxels of 0x0x0"),
    ),
    Row(
        "sform of zeros, good qform",
        forms(np.zeros((3, 4))),
        WARNED,
        ("sform has voxels of 0x0x0; the qform is taken",),
    ),
    Row("sform that flattens a dimension", forms(AFFINE[[0, 0, 2]], qform=0), REJECTED, (NOWHERE,)),
    Row(
        "sform with NaN, no qform",
        forms(AFFINE[:3] * NAN, qform=0),
        REJECTED,
        (NOWHERE, "sform is not finite"),
    ),
    Row(
        "sform with NaN, good qform",
        forms(AFFINE[:3] * NAN),
        WARNED,
        ("sform is not finite; the qform is taken",),
    ),
    Row("sform infinite, no qform", forms(AFFINE[:3] + INF, qform=0), REJECTED, (NOWHERE,)),
    Row(
        "sform sheared by 0.1, no qform",
        forms(sheared(0.1), qform=0),
        REJECTED,
        (NOWHERE, "sheared by 0.0995"),
    ),
    Row(
        "sform sheared by 0.1, good qform",
        forms(sheared(0.1)),
        WARNED,
        ("sheared by 0.0995; the qform is taken",),
    ),
    Row("sform sheared by 0.0009, no qform", forms(sheared(0.0009), qform=0), ACCEPTED),
    Row(
        "sform and qform 7 mm apart",
        forms(moved(7)),
        WARNED,
        ("sform and qform are up to 7 mm apart; sform is taken",),
    ),
    Row("sform and qform 0.005 mm apart", forms(moved(0.005)), ACCEPTED),
    Row(
        "qform alone, its quaternion too long",
        forms(sform=0, changes=[(256, "<3f", 1, 1, 1)]),
        REJECTED,
        (NOWHERE, "qform is not finite"),
    ),
    Row(
        "qform alone, a voxel size of 0",
        forms(sform=0, changes=[(80, "<f", 0)]),
        REJECTED,
        (NOWHERE,),
    ),
    Row(
        "qform alone, a negative voxel size",
        forms(sform=0, changes=[(80, "<f", -1)]),
        REJECTED,
        (NOWHERE,),
    ),
    Row(
        "qform alone, a voxel size of NaN",
        forms(sform=0, changes=[(80, "<f", NAN)]),
        REJECTED,
        (NOWHERE,),
    ),
    Row(
        "sform alone, voxel sizes NaN",
        forms(qform=0, changes=[(80, "<3f", NAN, NAN, NAN)]),
        WARNED,
        ("0.5x0.7x3 mm by its sform, nanxnanxnan by pixdim",),
    ),
    Row(
        "sform alone, other voxel sizes",
        forms(qform=0, changes=[(80, "<3f", 1, 1, 1)]),
        WARNED,
        ("0.5x0.7x3 mm by its sform, 1x1x1 by pixdim",),
    ),
    Row("unknown length unit", patched((123, "<b", 5)), REJECTED, ("length unit code 5",)),
    Row("big-endian", lambda folder: big_endian(folder), ACCEPTED),
    Row("64-bit integers", saved(VOXELS.astype(np.int64)), ACCEPTED),
    Row("plain NIfTI named .nii.gz", lambda f: save(f / "a.nii").rename(f / "a.nii.gz"), ACCEPTED),
    Row("a name that is not UTF-8", odd_name, ACCEPTED),
    Row("a file that may only be read", read_only, ACCEPTED),
]


def big_endian(folder):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nib.Nifti1Image(VOXELS, AFFINE, header)
    nib.save(image, folder / "scan.nii")
    return folder / "scan.nii"
