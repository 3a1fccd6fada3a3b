"""NIfTI files, broken byte by byte. Offsets are those of the NIfTI-1 header."""

from __future__ import annotations

import functools
import gzip
import io
import os
import struct

import nibabel as nib
import numpy as np
from bad_input_rows import AFFINE, VOXELS, read, save

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


def pipe(folder):
    os.mkfifo(folder / "scan.nii.gz")
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


def big_endian(folder):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nib.Nifti1Image(VOXELS, AFFINE, header)
    nib.save(image, folder / "scan.nii")
    return folder / "scan.nii"
