"""One bad input: how it is made, what becomes of it, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from lesionseg.io import read_volume

REJECTED, FIXED, WARNED, ACCEPTED = "rejected", "fixed", "warned", "accepted"
MEANING = {
    REJECTED: "refused with the message; nothing of it is used",
    FIXED: "mended, with the message as a note",
    WARNED: "read as its header says, with the message as a warning",
    ACCEPTED: "right, although it looks odd: read without a message",
}
VOXELS = np.random.default_rng(0).integers(0, 100, (5, 6, 7)).astype(np.int16)
AFFINE = np.diag([0.5, 0.7, 3.0, 1.0])
AFFINE[:3, 3] = (-12.5, 33.25, 7)

Said = tuple[Any, tuple[str, ...]]  # the voxels, None where there are none, and the notes


def read(path: Path, **options: Any) -> Said:
    volume = read_volume(path, case="case7", **options)
    return volume.array, volume.notes


@dataclass(frozen=True)
class Row:
    """build(folder) makes the input and returns its path; use(path) reads it.

    words: parts of the message, in order. expected: the voxels where they are not VOXELS.
    """

    name: str
    build: Callable[[Path], Path]
    outcome: str
    words: tuple[str, ...] = ()
    use: Callable[[Path], Said] = read
    expected: Any = None


def save(path, array=VOXELS, affine=AFFINE, *, sform=1, qform=1, kind=nib.Nifti1Image):
    image = kind(array, affine, dtype=array.dtype)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path
