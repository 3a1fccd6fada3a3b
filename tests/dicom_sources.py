"""DICOM series that derived objects can refer to: with a study, a frame of reference, a patient."""

from __future__ import annotations

import itertools

import numpy as np
from dicom_slices import write_series
from oriented_grids import TILT

GAP, SPACING = 3.0, (1.25, 0.5)  # mm between slices; from row to row, from column to column
START = (-31.25, 12.5, 55.0)
SHAPE = (6, 7, 8)  # slices, rows, columns
LESIONS = {  # (slice, row, column) of its pixels
    1: [(1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3)],
    2: [(5, 6, 7)],
    3: [(3, 0, 5), (4, 1, 5), (4, 1, 6)],
}
STUDY, FRAME = "1.2.77", "1.2.88"


def directions():
    """Name -> unit vectors along a row and along a column, LPS: the 24 ways that slices can lie,
    straight and oblique."""
    found = {}
    axes = [sign * np.eye(3)[axis] for axis in range(3) for sign in (1, -1)]
    for row, column in itertools.product(axes, repeat=2):
        if not row @ column:
            name = "".join("LRPASI"[2 * abs(v).argmax() + (v.sum() < 0)] for v in (row, column))
            found[name] = (row, column)
            found[f"{name}-oblique"] = (TILT @ row, TILT @ column)
    return found


def centres(row, column):
    """LPS mm of each lesion's centre, pixel by pixel (PS3.3, C.7.6.2.1.1)."""
    normal = np.cross(row, column)
    found = {}
    for lesion, pixels in LESIONS.items():
        places = [
            np.array(START) + k * GAP * normal + c * SPACING[1] * row + r * SPACING[0] * column
            for k, r, c in pixels
        ]
        found[lesion] = sum(places) / len(places)
    return found


def positions(row, column):
    return [np.array(START) + k * GAP * np.cross(row, column) for k in range(SHAPE[0])]


def lesion_frames(dtype=np.int16):
    """(slices, rows, columns) of LESIONS."""
    frames = np.zeros(SHAPE, dtype)
    for lesion, pixels in LESIONS.items():
        for pixel in pixels:
            frames[pixel] = lesion
    return frames


def write_source(folder, row=(1, 0, 0), column=(0, 1, 0), voxels=None, **changes):
    """A series whose voxels are the numbers of LESIONS. changes: attributes, None: left out."""
    row, column = np.array(row, float), np.array(column, float)
    voxels = lesion_frames() if voxels is None else voxels
    write_series(
        folder, voxels, positions(row, column), orientation=(*row, *column), spacing=SPACING
    )
    return in_a_study(folder, **changes)


def in_a_study(folder, **changes):
    """Give the slices of a folder what derived objects take from them."""
    from pydicom import dcmread

    values = {"StudyInstanceUID": STUDY, "FrameOfReferenceUID": FRAME, "PatientID": "77"} | changes
    for path in folder.glob("*.dcm"):
        image = dcmread(path)
        for name, value in values.items():
            if value is not None:
                setattr(image, name, value)
        image.save_as(path)
    return folder
