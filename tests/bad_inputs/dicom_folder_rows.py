"""What else lies in a folder of DICOM slices, and slices that are stored in unusual ways."""

from __future__ import annotations

import gzip
import os
import struct

from bad_input_rows import REJECTED, WARNED, Row
from dicom_rows import UP, VOXELS, all_relabelled, resampling, series
from dicom_slices import element, object_bytes, slice_bytes, write_series
from odd_files import make_odd_file

FIRST, LAST = "006.dcm", "001.dcm"  # files are named against the order of the positions
HIDDEN = "move it away"
TWELVE_HIGH = (b"\x28\0\x01\1US\x02\0\x10\0", b"\x28\0\x01\1US\x02\0\x0c\0")
SCOUT = {"kind": "ORIGINAL\\PRIMARY\\LOCALIZER", "orientation": (0, 1, 0, 0, 0, -1)}


def in_place_of(name, make):
    """A series in which one slice is replaced by what `make(path, content)` puts there."""

    def build(folder):
        path = series()(folder)
        content = (path / name).read_bytes()
        (path / name).unlink()
        make(path / name, content)
        return path

    return build


def odd(kind):
    return lambda path, _: make_odd_file(kind, path)


def zipped(path, content):
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))


def zipped_by_its_own_name(path, content):
    path.write_bytes(gzip.compress(content))


def in_a_folder(path, content):
    path.with_suffix("").mkdir()
    (path.with_suffix("") / path.name).write_bytes(content)


def sparse(path, _):
    path.write_bytes(slice_bytes(VOXELS[0], UP[0]))
    os.truncate(path, 100_000_000_000)


def beside(**files):
    """A series, and more files beside it: ending of the name, by their content."""

    def build(folder):
        path = series()(folder)
        for name, content in files.items():
            (path / f"{name}.dcm").write_bytes(content)
        return path

    return build


def with_scouts(folder):
    path = series()(folder)
    for index in range(2):
        content = slice_bytes(VOXELS[index], UP[index], number=50 + index, **SCOUT)
        (path / f"scout{index}.dcm").write_bytes(content)
    return path


def with_copies(folder):
    path = series()(folder)
    for name in ("002", "004"):
        (path / f"{name} (1).dcm").write_bytes((path / f"{name}.dcm").read_bytes())
    return path


def with_another_series_below(folder):
    path = series()(folder)
    write_series(path / "scout", VOXELS, UP, series="1.2.77")
    return path


def with_a_table(folder):
    path = series()(folder)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    voxels = b"\xe0\x7f\x10\0OW"
    for file in path.iterdir():
        content = file.read_bytes()
        file.write_bytes(content.replace(voxels, element(0x28, 0x3000, b"SQ", item) + voxels))
    return path


def alone(sop_class):
    def build(folder):
        path = folder / "ct"
        path.mkdir()
        (path / "rs.dcm").write_bytes(object_bytes(sop_class))
        return path

    return build


def odd_name(folder):
    path = series()(folder)
    os.rename(os.fsencode(path / LAST), os.fsencode(path) + b"/\xff\xfe.dcm")
    return path


def comma(folder):
    """A decimal comma in the position of one slice, as a program of another language writes it."""
    path = series()(folder)
    content = (path / LAST).read_bytes()
    assert b"\\42.5" in content
    (path / LAST).write_bytes(content.replace(b"\\42.5", b"\\42,5"))
    return path


FAR = [*UP[:-1], (10, 20, 1e9)]
APART = [(10, 20, 400.0 * index) for index in range(6)]

ROWS = [
    *(
        Row(f"DICOM, the {place} slice is {what}", in_place_of(name, make), REJECTED, (said,))
        for place, name in (("first", FIRST), ("last", LAST))
        for what, make, said in (
            ("a dangling link", odd("dangling link"), f"{name} is a link to nothing; fetch"),
            ("a pipe", odd("pipe"), f"{name} is no regular file"),
            ("a socket", odd("socket"), f"{name} is no regular file"),
            ("a link to a device", odd("device"), f"{name} is no regular file"),
            ("a folder", odd("folder"), f"{name} is a folder; want a slice"),
            ("packed", zipped, f"{name}.gz is packed; unpack it"),
            ("packed under its own name", zipped_by_its_own_name, f"{name} is damaged or no DICOM"),
            ("in a folder below", in_a_folder, f"holds more slices of its series, like {name}"),
        )
    ),
    Row(
        "DICOM beside a structure set and a report",
        beside(rs=object_bytes("481.3"), sr=object_bytes("88.33")),
        WARNED,
        ("ct: passed over RT structure set (RTSTRUCT): rs.dcm; structured report (SR): sr.dcm",),
        expected=VOXELS.T,
    ),
    Row(
        "DICOM beside a presentation state and a segmentation",
        beside(pr=object_bytes("11.1"), seg=object_bytes("66.4")),
        WARNED,
        ("presentation state (PR): pr.dcm; segmentation (SEG): seg.dcm",),
        expected=VOXELS.T,
    ),
    Row(
        "DICOM beside its localisers",
        with_scouts,
        WARNED,
        ("passed over localiser: scout0.dcm, scout1.dcm",),
        expected=VOXELS.T,
    ),
    Row(
        "DICOM, copies of two slices",
        with_copies,
        WARNED,
        ("passed over copy of another slice: 002.dcm, 004.dcm",),
        expected=VOXELS.T,
    ),
    Row(
        "DICOM, another series in a folder below",
        with_another_series_below,
        WARNED,
        ("slices of another series in a folder below: 001.dcm, 002.dcm, 003.dcm and 3 more",),
        expected=VOXELS.T,
    ),
    Row(
        "DICOM, a structure set alone",
        alone("481.3"),
        REJECTED,
        ("no DICOM file of a slice; it holds RT structure set (RTSTRUCT): rs.dcm",),
    ),
    Row(
        "DICOM, an enhanced multi-frame image without frames",
        alone("4.1"),
        REJECTED,
        ("rs.dcm holds 1 frames and the places of 0", "copy it again"),
    ),
    Row(
        "DICOM, two series, each named",
        series(UP, (UP, {"series": "1.2.4"})),
        REJECTED,
        (
            "(CT series without number, 6 slices of 7x5, 1x1x2.5 mm, like 001.dcm; CT series",
            "put the files of the one that you want into a folder of their own",
        ),
    ),
    Row(
        "DICOM, 12 bits stored in the upper bits of 16",
        all_relabelled(*TWELVE_HIGH),
        REJECTED,
        ("stores 12 bits up to bit 15", "convert it"),
    ),
    Row(
        "DICOM, a table of intensities",
        with_a_table,
        REJECTED,
        ("has a table of intensities (Modality LUT Sequence)", "convert it"),
    ),
    Row(
        "DICOM, a slice 1,000 km away",
        series(FAR),
        REJECTED,
        ("position is not 3 numbers up to 1e+06",),
    ),
    Row(
        "DICOM, the same when resampling is asked for, 1,000 km",
        series(FAR),
        REJECTED,
        ("position is not 3 numbers up to 1e+06",),
        resampling,
    ),
    Row(
        "DICOM, slices 400 mm apart",
        series(APART),
        REJECTED,
        ("ct has voxels of 1x1x400 mm; want 0.001 to 50",),
    ),
    Row(
        "DICOM, a pixel spacing of 1e-12 mm",
        series(spacing=(1e-12, 1e-12)),
        REJECTED,
        ("voxels of 1e-12x1e-12x2.5 mm",),
    ),
    Row(
        "DICOM, a decimal comma in a position",
        comma,
        REJECTED,
        ("position is not 3 numbers up to 1e+06",),
    ),
    Row("DICOM, a name that is not UTF-8", odd_name, REJECTED, ("named in no UTF-8; rename it",)),
    Row(
        "DICOM, a sparse file of 100 GB",
        in_place_of(LAST, sparse),
        REJECTED,
        ("001.dcm takes 100,000,000,000 bytes; a slice takes at most",),
    ),
]
