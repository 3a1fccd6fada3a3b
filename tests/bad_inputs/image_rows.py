"""Images whose intensities are not what a scan has."""

from __future__ import annotations

import numpy as np
from bad_input_rows import ACCEPTED, REJECTED, VOXELS, WARNED, Row, save

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.reading.foreground import find_foreground
from lesionseg.reading.scans import read_channels


def as_channel(path):
    """One channel, read and looked at as preprocessing does."""
    (volume,) = read_channels(ScanFiles("case7", "case7", "train", (path,), None))
    find_foreground([volume.array], volume.affine, ["mri"], "case7")
    return volume.array, volume.notes


def row(name, values, outcome, *words):
    def build(folder):
        return save(folder / "scan.nii.gz", values)

    return Row(name, build, outcome, words, as_channel, values)


def holed(value, count):
    image = VOXELS.astype(np.float32)
    image.flat[:count] = value
    return image


WHOLE = VOXELS.astype(np.float32)
SLICED = WHOLE.copy()
SLICED[..., 1::2] = np.nan

ROWS = [
    row("an image with one NaN", holed(np.nan, 1), WARNED, "not finite (0.48 %), taken for air"),
    row("an image, 3 of 7 slices NaN", SLICED, WARNED, "not finite (43 %), taken for air"),
    row("an image with infinite voxels", holed(-np.inf, 21), WARNED, "not finite (10 %)"),
    row("an image of NaN alone", WHOLE * np.nan, REJECTED, "no finite voxel"),
    row("an image of one value", WHOLE * 0 + 5, REJECTED, "is 5 everywhere"),
    row("an image of zeros", VOXELS * 0, REJECTED, "is 0 everywhere"),
    row(
        "an image beyond 32-bit floats",
        VOXELS * 1e38,
        REJECTED,
        "values up to 9.9e+39; want at most 1e+37: mend its intensity scaling",
    ),
    row("an image of real numbers", WHOLE + np.float32(0.25), ACCEPTED),
]
