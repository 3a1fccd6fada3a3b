"""NIfTI files for tests: some voxels, an oblique affine, and headers broken byte by byte."""

from __future__ import annotations

import struct

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

GEOMETRY = (
    "pixdim",
    "qform_code",
    "sform_code",
    "xyzt_units",
    "quatern_b",
    "quatern_c",
    "quatern_d",
)
GEOMETRY += ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", (12, -20, 31), degrees=True).as_matrix() * (
    0.5,
    0.7,
    3,
)
OBLIQUE[:3, 3] = (-12.5, 33.25, 7)


def voxels(dtype=np.int16, shape=(5, 6, 7)):
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


def save(path, array, affine=OBLIQUE, *, sform=1, qform=1, kind=nib.Nifti1Image, **fields):
    image = kind(array, affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    image.header.set_xyzt_units("mm")
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def patch(path, offset, fmt, *values):
    """Overwrite bytes of an uncompressed file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(fmt, content, offset, *values)
    path.write_bytes(content)
    return path
