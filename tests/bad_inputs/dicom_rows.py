"""Folders of DICOM slices that are no regular volume."""

from __future__ import annotations

import functools

import numpy as np
from bad_input_rows import ACCEPTED, FIXED, REJECTED, Row, read
from dicom_slices import slice_bytes, write_series

VOXELS = np.random.default_rng(0).integers(-900, 900, (6, 5, 7)).astype(np.int16)
LARGER = np.tile(VOXELS, (1, 6, 5))
UP = [(10, 20, 30 + 2.5 * index) for index in range(6)]
TILTED = [(10, 20 + index, 30 + 2.5 * index) for index in range(6)]
UNEQUAL = [(0, 0, z) for z in (0, 2, 4, 6, 11, 13)]
MISSING = [(0, 0, z) for z in (0, 2, 4, 8, 10, 12)]
ROWS_OF_5, ROWS_OF_4 = b"\x28\0\x10\0US\x02\0\x05", b"\x28\0\x10\0US\x02\0\x04"
ASK = "set dicom.irregular=resample"
resampling = functools.partial(read, dicom_irregular="resample")


def series(positions=UP, *more, **tags):
    """A folder with one series, and further ones of (positions, tags)."""

    def build(folder):
        path = write_series(folder / "ct", VOXELS, positions, **tags)
        for number, (others, other_tags) in enumerate(more):
            for index, position in enumerate(others):
                name = path / f"more-{number}-{index}.dcm"
                name.write_bytes(
                    slice_bytes(VOXELS[index], position, number=100 + index, **other_tags)
                )
        return path

    return build


def damaged(change):
    def build(folder):
        path = series()(folder)
        (path / "003.dcm").write_bytes(change((path / "003.dcm").read_bytes()))
        return path

    return build


def relabelled(old, new):
    """One slice with the bytes of an element changed."""

    def change(data):
        assert old in data
        return data.replace(old, new)

    return damaged(change)


def with_a_text(folder):
    path = series()(folder)
    (path / "README.txt").write_text("DOE^JOHN")
    return path


def all_relabelled(old, new):
    def build(folder):
        path = series()(folder)
        for file in path.iterdir():
            content = file.read_bytes()
            assert old in content
            file.write_bytes(content.replace(old, new))
        return path

    return build


def with_another_size(folder):
    path = series()(folder)
    (path / "003.dcm").write_bytes(slice_bytes(VOXELS[3][:4], UP[3]))
    return path


def bare(folder):
    """As some scanners of the nineties wrote: the data set alone, in files without ending."""
    path = series()(folder)
    for file in list(path.iterdir()):
        content = file.read_bytes()
        file.with_suffix("").write_bytes(content[content.index(b"\x08\0\x08\0CS") :])
        file.unlink()
    return path


def bare_and_a_page(folder):
    path = bare(folder)
    (path / "003").write_bytes(b"<html>" * 100)
    return path


def with_numbers(folder):
    """Beside the slices, dumps that begin with the numbers of a DICOM group."""
    path = series()(folder)
    np.array([8, 3, 5, 0] * 99, "<i2").tofile(path / "mask.raw")
    np.array([2] * 99, "<i4").tofile(path / "labels.raw")
    return path


def packed(cut=0):
    """Run-length encoded slices, the last bytes of one cut off."""

    def build(folder):
        path = write_series(folder / "ct", LARGER, UP, packed=True)
        data = (path / "003.dcm").read_bytes()
        (path / "003.dcm").write_bytes(data[: len(data) - cut])
        return path

    return build


def straightened():
    """The six slices of MISSING, and the mean of its neighbours where one is missing."""
    stack = [*VOXELS[:3], (VOXELS[2].astype(np.float32) + VOXELS[3]) / 2, *VOXELS[3:]]
    return np.stack(stack).T.astype(np.float32)


TURNED = {"orientation": (0, 1, 0, 0, 0, -1)}

ROWS = [
    Row(
        "DICOM, gantry tilt",
        series(TILTED),
        REJECTED,
        ("no regular stack of 6 slices: tilted by 21.8 degrees", ASK),
    ),
    Row("DICOM, unequal gaps", series(UNEQUAL), REJECTED, ("unequal gaps of 2.00 to 5.00 mm", ASK)),
    Row(
        "DICOM, a missing slice",
        series(MISSING),
        REJECTED,
        ("1 missing slices", "2.00 to 4.00 mm", ASK),
    ),
    Row(
        "DICOM, a missing slice, resampled when asked",
        series(MISSING),
        FIXED,
        ("1 missing slices", "resampled from 6 slices onto 7 planes 2 mm apart"),
        resampling,
        straightened(),
    ),
    Row(
        "DICOM, two b-values at each position",
        series(UP, (UP, {})),
        REJECTED,
        ("12 slices at 6 positions", "several b-values, echoes or times"),
    ),
    Row(
        "DICOM, the same when resampling is asked for",
        series(UP, (UP, {})),
        REJECTED,
        ("12 slices at 6 positions",),
        resampling,
    ),
    Row(
        "DICOM, two series",
        series(UP, (UP, {"series": "1.2.4"})),
        REJECTED,
        ("2 stacks (series or orientations) of 6, 6 slices",),
    ),
    Row(
        "DICOM, a localiser in another orientation",
        series(UP, (UP[:2], TURNED)),
        REJECTED,
        ("2 stacks (series or orientations) of 6, 2 slices",),
    ),
    Row(
        "DICOM, a mosaic",
        series(kind="ORIGINAL\\PRIMARY\\MOSAIC"),
        REJECTED,
        ("is a mosaic of slices",),
    ),
    Row("DICOM, several frames a file", series(frames=3), REJECTED, ("holds 3 frames",)),
    Row(
        "DICOM without positions",
        series([None] * 6),
        REJECTED,
        ("no position, orientation or pixel spacing",),
    ),
    Row("DICOM, a pixel spacing of 0", series(spacing=(0, 1)), REJECTED, ("pixel spacing 0 mm",)),
    Row(
        "DICOM, a negative pixel spacing",
        series(spacing=(1, -1)),
        REJECTED,
        ("pixel spacing -1 mm",),
    ),
    Row(
        "DICOM, axes that are not at right angles",
        series(orientation=(1, 0, 0, 1, 0, 0)),
        REJECTED,
        ("want two unit vectors",),
    ),
    Row("DICOM, a slice of another size", with_another_size, REJECTED, ("several sizes",)),
    Row("DICOM, one slice", series(UP[:1]), REJECTED, ("holds one slice",)),
    Row("DICOM, a slice cut short", damaged(lambda d: d[:-2]), REJECTED, ("003.dcm",)),
    Row("DICOM, packed", packed(), ACCEPTED, expected=LARGER.T),
    Row("DICOM, a packed slice without its end", packed(8), REJECTED, ("003.dcm is cut short",)),
    Row("DICOM, a slice cut in its header", damaged(lambda d: d[:200]), REJECTED, ("003.dcm",)),
    Row(
        "DICOM, a slice of bytes without meaning",
        damaged(lambda d: d[:132] + bytes(range(256)) * 4),
        REJECTED,
        ("003.dcm",),
    ),
    Row("DICOM, an empty slice", damaged(lambda d: b""), REJECTED, ("003.dcm is damaged or no",)),
    Row(
        "DICOM, a slice that is an HTML page",
        damaged(lambda d: b"<html>" * 100),
        REJECTED,
        ("003.dcm is damaged or no DICOM file; copy it again",),
    ),
    Row(
        "DICOM, a slice without its first bytes",
        damaged(lambda d: d[170:]),
        REJECTED,
        ("003.dcm is damaged or no DICOM file",),
    ),
    Row(
        "DICOM, a slice without preamble",
        damaged(lambda d: d[132:]),
        ACCEPTED,
        expected=VOXELS.T,
    ),
    Row(
        "DICOM, slices without preamble, meta information and ending",
        bare,
        ACCEPTED,
        expected=VOXELS.T,
    ),
    Row(
        "DICOM, a slice with a row fewer in its header",
        relabelled(ROWS_OF_5, ROWS_OF_4),
        REJECTED,
        ("several sizes",),
    ),
    Row(
        "DICOM, all slices with a row fewer in their headers",
        all_relabelled(ROWS_OF_5, ROWS_OF_4),
        REJECTED,
        ("cut short or garbled", "copy it again"),
    ),
    Row(
        "DICOM, inverted contrast",
        all_relabelled(b"MONOCHROME2", b"MONOCHROME1"),
        REJECTED,
        ("inverted contrast (MONOCHROME1)",),
    ),
    Row(
        "DICOM, a rescale slope of 0",
        relabelled(b"S\x10DS\x02\x001 ", b"S\x10DS\x02\x000 "),
        REJECTED,
        ("003.dcm has rescale slope '0'",),
    ),
    Row("DICOM, file names against the order", series(), ACCEPTED, expected=VOXELS.T),
    Row(
        "DICOM, a slice without ending that is an HTML page",
        bare_and_a_page,
        REJECTED,
        ("003 is damaged or no DICOM file",),
    ),
    Row("DICOM beside raw numbers", with_numbers, ACCEPTED, expected=VOXELS.T),
    Row("DICOM beside a text file", with_a_text, ACCEPTED, expected=VOXELS.T),
]
