"""NIfTI files that lie nowhere in the world, or in two places; and odd ones that are right."""

from __future__ import annotations

import numpy as np
from bad_input_rows import ACCEPTED, AFFINE, FIXED, REJECTED, VOXELS, WARNED, Row, save
from nifti_files import (
    INF,
    NAN,
    NOWHERE,
    assuming,
    big_endian,
    forms,
    moved,
    odd_name,
    patched,
    read_only,
    saved,
    sheared,
)

ROWS = [
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
        "qform alone, its handedness NaN",
        forms(sform=0, changes=[(76, "<f", NAN)]),
        REJECTED,
        (NOWHERE, "qform is not finite"),
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
    Row("big-endian", big_endian, ACCEPTED),
    Row("64-bit integers", saved(VOXELS.astype(np.int64)), ACCEPTED),
    Row("plain NIfTI named .nii.gz", lambda f: save(f / "a.nii").rename(f / "a.nii.gz"), ACCEPTED),
    Row("a name that is not UTF-8", odd_name, ACCEPTED),
    Row("a file that may only be read", read_only, ACCEPTED),
]
