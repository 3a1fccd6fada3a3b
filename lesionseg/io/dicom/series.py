"""A folder of DICOM slices to one volume: by their positions, never by their order or numbers."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.dicom.stack import (
    SAME_PLACE_MM,
    Stack,
    even_planes,
    irregularities,
    num_repeated,
    regular_affine,
    resampled,
    stack_slices,
)
from lesionseg.io.itk.process import ask
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Volume

DicomIrregular = Literal["refuse", "resample"]
PIXEL_DATA = {b"\xe0\x7f\x10\x00": "little", b"\x7f\xe0\x00\x10": "big"}
UNDEFINED = 0xFFFFFFFF  # length of compressed voxels, which end with a delimiter
DELIMITER = b"\xfe\xff\xdd\xe0"
ORIENTATION_SLACK = 1e-3  # cosines that differ less are of one orientation

Header = Mapping[str, str]


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files right in a folder, told by their content, in order of their names."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name.upper() != "DICOMDIR" and path.is_file() and is_dicom_file(path)
    ]


def read_dicom(folder: Path, case: str, *, irregular: DicomIrregular = "refuse") -> Volume:
    """The one DICOM series of a folder, one image a file. Raises CaseError, naming `case`.

    irregular: what becomes of slices with a tilt, unequal gaps or gaps where some are missing.
    "resample" puts them onto a regular grid along their normal, float32, each slice within 0.1 mm
    of its true place. Repeated positions, several series and mosaics are refused either way.
    """
    folder = Path(folder)
    try:
        paths = dicom_files(folder)
        stored = sum(path.stat().st_size for path in paths)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CaseError(case, f"{folder.name} cannot be read: {reason}") from error
    if not paths:
        raise CaseError(case, f"folder {folder.name} holds no DICOM file; want one series")
    _refuse_lost_slices(folder, paths, case)
    names = [str(path) for path in paths]
    facts, _ = ask(
        {"do": "slice_headers", "paths": names}, f"folder {folder.name}", case, stored=stored
    )
    headers: list[Header] = facts["headers"]
    _refuse_other_kinds(paths, headers, case)
    stack = _stack(headers, folder.name, case)
    for path, header in zip(paths, headers):
        _refuse_truncated(path, header, case)
    problems = irregularities(stack)
    if problems and irregular == "refuse":
        raise CaseError(
            case,
            f"{folder.name} is no regular stack of {len(paths)} slices: {'; '.join(problems)}; "
            "set dicom.irregular=resample, or export it again without",
        )
    voxels = _voxels([names[index] for index in stack.order], stack, folder.name, case, stored)
    if not problems:
        return Volume(voxels, regular_affine(stack))
    return _on_even_planes(voxels, stack, problems, folder.name, case)


def _on_even_planes(
    voxels: NDArray[Any], stack: Stack, problems: Sequence[str], name: str, case: str
) -> Volume:
    try:
        along = even_planes(stack)
    except ValueError as error:
        raise CaseError(case, f"{name} cannot be resampled: {error}") from error
    refuse_beyond_memory(2 * 4 * math.prod(stack.shape) * len(along), name, case)
    array, affine = resampled(voxels, stack, along)
    note = (
        f"{name}: {'; '.join(problems)}; resampled from {len(stack.along)} slices onto "
        f"{len(along)} planes {along[1] - along[0]:.3g} mm apart"
    )
    return Volume(array, affine, notes=(note,))


def _refuse_lost_slices(folder: Path, paths: Sequence[Path], case: str) -> None:
    """Raise CaseError for what was to be a slice: an empty or locked file, or one named like one.

    Left out, the first or last slice of a series would be missing without a trace.
    """
    endings = {_ending(path) for path in paths} | {".dcm"}
    for path in sorted(set(folder.iterdir()) - set(paths)):
        if not path.is_file() or path.name.startswith(".") or path.name.upper() == "DICOMDIR":
            continue
        lost = not path.stat().st_size or not os.access(path, os.R_OK)
        if lost or _ending(path) in endings:
            raise CaseError(
                case, f"{path.name} is damaged or no DICOM file; copy it again, or move it away"
            )


def _ending(path: Path) -> str:
    """Of a file's name; the numbers of a UID are none."""
    suffix = path.suffix.lower()
    return "" if suffix[1:].isdigit() else suffix


def _refuse_other_kinds(paths: Sequence[Path], headers: Sequence[Header], case: str) -> None:
    for path, header in zip(paths, headers):
        frames = _whole(header.get("frames", "1"))
        if "MOSAIC" in header.get("kind", "").upper():
            problem = "is a mosaic of slices"
        elif frames != 1:
            problem = f"holds {header['frames']} frames"
        elif _whole(header.get("samples", "1")) != 1:
            problem = "is a colour image"
        elif header.get("contrast") == "MONOCHROME1":
            problem = "has inverted contrast (MONOCHROME1)"
        elif _number(header.get("slope", "1")) in (None, 0):
            problem = f"has rescale slope '{header['slope']}'"
        elif _number(header.get("intercept", "0")) is None:
            problem = f"has rescale intercept '{header['intercept']}'"
        elif not all(header.get(tag) for tag in ("position", "orientation", "spacing")):
            problem = "has no position, orientation or pixel spacing"
        else:
            continue
        raise CaseError(case, f"{path.name} {problem}; want one grey slice a file, convert it")


def _stack(headers: Sequence[Header], name: str, case: str) -> Stack:
    """The slices sorted by position. CaseError for several series, or slices unlike each other."""
    positions = np.array([_numbers(h["position"], 3, "position", name, case) for h in headers])
    turns = np.array([_numbers(h["orientation"], 6, "orientation", name, case) for h in headers])
    spacings = np.array([_numbers(h["spacing"], 2, "pixel spacing", name, case) for h in headers])
    groups: list[tuple[str, NDArray[np.float64], int]] = []
    for header, turn in zip(headers, turns):
        series = header.get("series", "")
        for index, (one, like, count) in enumerate(groups):
            if one == series and np.abs(like - turn).max() <= ORIENTATION_SLACK:
                groups[index] = (one, like, count + 1)
                break
        else:
            groups.append((series, turn, 1))
    if len(groups) > 1:
        counts = ", ".join(str(count) for _, _, count in groups)
        raise CaseError(
            case,
            f"{name} holds {len(groups)} stacks (series or orientations) of {counts} slices; want "
            "one a folder",
        )
    if spacings.min() <= 0:
        raise CaseError(case, f"{name} has pixel spacing {spacings.min():g} mm; want above 0")
    sizes = {(h.get("rows"), h.get("columns")) for h in headers}
    if len(sizes) > 1 or np.ptp(spacings, axis=0).max() > 1e-4 * spacings.min():
        raise CaseError(case, f"{name} holds slices of several sizes or pixel spacings; want one")
    row, column = (turns[0][part] for part in (slice(0, 3), slice(3, 6)))
    square = abs(float(row @ column)) < 1e-3
    if not (square and all(abs(np.linalg.norm(v) - 1) < 1e-3 for v in (row, column))):
        raise CaseError(case, f"{name} has orientation {turns[0].tolist()}; want two unit vectors")
    shape = (_whole(headers[0].get("columns", "")), _whole(headers[0].get("rows", "")))
    between = (float(spacings[0, 1]), float(spacings[0, 0]))  # PixelSpacing is row to row first
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    stack = stack_slices(positions, row, column / np.linalg.norm(column), between, shape)
    if repeated := num_repeated(stack):
        raise CaseError(
            case,
            f"{name} holds {len(headers)} slices at {len(headers) - repeated} positions (closer "
            f"than {SAME_PLACE_MM} mm): several b-values, echoes or times; want one a folder",
        )
    if len(headers) == 1:
        raise CaseError(case, f"{name} holds one slice, which says nothing of the next; want more")
    return stack


def _voxels(
    names: Sequence[str], stack: Stack, name: str, case: str, stored: int
) -> NDArray[np.generic]:
    """(columns, rows, N), sorted as the stack is."""
    columns, rows = stack.shape
    refuse_beyond_memory(3 * 4 * columns * rows * len(names), name, case)
    facts, body = ask({"do": "slices", "paths": list(names)}, name, case, stored=stored)
    array = np.frombuffer(bytearray(body), np.dtype(facts["dtype"])).reshape(facts["shape"])
    if facts["shape"] != [len(names), rows, columns]:
        problem = f"{name} has slices of {facts['shape'][1:]} voxels, its headers say"
        raise CaseError(case, f"{problem} {[rows, columns]}")
    return array.transpose(2, 1, 0)


def _refuse_truncated(path: Path, header: Header, case: str) -> None:
    """Raise CaseError unless the file holds all voxels that its header promises."""
    content = path.read_bytes()
    bits = _whole(header.get("bits", ""))
    wanted = _whole(header.get("rows", "")) * _whole(header.get("columns", "")) * bits // 8
    for mark, order in PIXEL_DATA.items():
        place = content.find(mark)
        while place >= 0:
            for begin in (place + 12, place + 8):  # explicit, implicit value representation
                length = int.from_bytes(content[begin - 4 : begin], order)  # type: ignore[arg-type]
                if length == UNDEFINED and DELIMITER in content[-64:]:
                    return
                if wanted <= length <= len(content) - begin and length - wanted <= 1:
                    return
            place = content.find(mark, place + 1)
    problem = f"{path.name} is cut short or garbled: no {wanted:,} bytes of voxels are in it"
    raise CaseError(case, f"{problem}; copy it again")


def _numbers(text: str, count: int, what: str, name: str, case: str) -> list[float]:
    try:
        values = [float(part) for part in text.split("\\")]
    except ValueError:
        values = []
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise CaseError(case, f"{name} has a slice whose {what} is not {count} numbers; mend it")
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text.strip("\0 "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 12 else 0
