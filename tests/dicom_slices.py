"""DICOM slices made byte by byte (PS3.5, explicit little endian), right or wrong as wanted."""

from __future__ import annotations

import struct

import numpy as np

AXIAL = (1, 0, 0, 0, 1, 0)
PATIENT = "DOE^JOHN"
PLAIN, PACKED = "1.2.840.10008.1.2.1\0", "1.2.840.10008.1.2.5\0"
LONG = (b"OB", b"OW", b"SQ", b"UN")


def element(group, number, kind, value):
    if isinstance(value, str):
        value = value.encode() + (b" " if len(value) % 2 else b"")
    length = struct.pack("<HI", 0, len(value)) if kind in LONG else struct.pack("<H", len(value))
    return struct.pack("<HH", group, number) + kind + length + value


def numbers(values):
    return "\\".join(f"{value:.8g}" for value in values)


def pixel_data(values, packed):
    """values: (rows, columns) 16-bit. packed: run-length encoded (PS3.5, annex G)."""
    if not packed:
        return element(0x7FE0, 0x10, b"OW", values.tobytes())
    octets = values.view(np.uint8).reshape(*values.shape, 2)
    segments = []
    for plane in (octets[..., 1], octets[..., 0]):  # high bytes first; each row a literal run
        runs = [row.tobytes() for row in plane]
        coded = b"".join(bytes([len(run) - 1]) + run for run in runs)
        segments.append(coded + bytes(len(coded) % 2))
    head = struct.pack("<3I", 2, 64, 64 + len(segments[0])) + bytes(52)
    frame = head + b"".join(segments)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    item += struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + item + end


def slice_bytes(
    array,
    position,
    *,
    orientation=AXIAL,
    spacing=(1.0, 1.0),
    series="1.2.3",
    series_number=None,
    study=None,
    description=None,
    kind="ORIGINAL\\PRIMARY\\AXIAL",
    frames=None,
    number=1,
    packed=False,
):
    """One CT slice. array: (rows, columns) int16. position: mm LPS of its first pixel, or None."""
    rows, columns = array.shape
    meta = element(2, 2, b"UI", "1.2.840.10008.5.1.4.1.1.2\0")
    meta += element(2, 3, b"UI", f"{series}.{number}") + element(
        2, 16, b"UI", PACKED if packed else PLAIN
    )
    body = [
        element(8, 8, b"CS", kind),
        element(8, 0x16, b"UI", "1.2.840.10008.5.1.4.1.1.2\0"),
        element(8, 0x18, b"UI", f"{series}.{number}"),
        element(8, 0x60, b"CS", "CT"),
        *([] if description is None else [element(8, 0x103E, b"LO", description)]),
        element(0x10, 0x10, b"PN", PATIENT),
        element(0x18, 0x50, b"DS", "9"),  # a slice thickness that is not the distance
        *([] if study is None else [element(0x20, 0xD, b"UI", study)]),
        element(0x20, 0xE, b"UI", series),
        *([] if series_number is None else [element(0x20, 0x11, b"IS", str(series_number))]),
        element(0x20, 0x13, b"IS", str(number)),
        *([] if position is None else [element(0x20, 0x32, b"DS", numbers(position))]),
        element(0x20, 0x37, b"DS", numbers(orientation)),
        element(0x28, 2, b"US", struct.pack("<H", 1)),
        element(0x28, 4, b"CS", "MONOCHROME2"),
        *([] if frames is None else [element(0x28, 8, b"IS", str(frames))]),
        element(0x28, 0x10, b"US", struct.pack("<H", rows)),
        element(0x28, 0x11, b"US", struct.pack("<H", columns)),
        element(0x28, 0x30, b"DS", numbers(spacing)),
        *(
            element(0x28, 0x100 + n, b"US", struct.pack("<H", v))
            for n, v in enumerate((16, 16, 15))
        ),
        element(0x28, 0x103, b"US", struct.pack("<H", 1)),
        element(0x28, 0x1052, b"DS", "-1024"),
        element(0x28, 0x1053, b"DS", "1"),
        pixel_data((np.asarray(array) + 1024).astype("<i2"), packed),
    ]
    group = element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + group + meta + b"".join(body)


def object_bytes(sop_class):
    """A DICOM file of another kind, without voxels: a structure set, a report."""
    meta = element(2, 2, b"UI", f"1.2.840.10008.5.1.4.1.1.{sop_class}")
    meta += element(2, 3, b"UI", "1.2.9.1") + element(2, 16, b"UI", PLAIN)
    group = element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + group + meta + element(0x10, 0x10, b"PN", PATIENT)


def write_series(folder, voxels, positions, first=1, **tags):
    """voxels: (slices, rows, columns). Files are named against the order of the positions.

    first: number of the first slice, which is part of the UID of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index, (layer, position) in enumerate(zip(voxels, positions)):
        name = folder / f"{len(voxels) - index:03d}.dcm"
        name.write_bytes(slice_bytes(layer, position, number=first + index, **tags))
    return folder
