"""The headers of DICOM slices: one grey slice a file, all of one series, stacked by position."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lesionseg.errors import CaseError
from lesionseg.io.body_limits import FARTHEST_MM, body_fault
from lesionseg.io.dicom.stack import (
    SAME_PLACE_MM,
    Stack,
    num_repeated,
    regular_affine,
    stack_slices,
)
from lesionseg.io.itk.process import ask

Header = Mapping[str, str]  # the TAGS of the worker that reads them

PIXEL_DATA = {b"\xe0\x7f\x10\x00": "little", b"\x7f\xe0\x00\x10": "big"}
UNDEFINED = 0xFFFFFFFF  # length of compressed voxels, which end with a delimiter
DELIMITER = b"\xfe\xff\xdd\xe0"
# the tag, "SQ" or none, a length, and the first item of a Modality LUT Sequence
MODALITY_TABLE = re.compile(rb"\x28\x00\x00\x30(?:SQ\x00\x00)?....\xfe\xff\x00\xe0", re.DOTALL)
LARGEST_NUMBER = 10 * FARTHEST_MM  # of a position, direction or spacing


def read_headers(paths: Sequence[Path], folder: Path, case: str) -> list[Header]:
    """The headers of slices of a folder. Raises CaseError where one cannot be read; OSError."""
    stored = sum(path.stat().st_size for path in paths)
    request = {"do": "slice_headers", "paths": [str(path) for path in paths]}
    facts, _ = ask(request, f"folder {folder.name}", case, stored=stored)
    headers: list[Header] = facts["headers"]
    return headers


def is_scout(header: Header) -> bool:
    """Whether a slice says that it is of a localiser."""
    return "LOCALIZER" in header.get("kind", "").upper().split("\\")


def refuse_other_kinds(paths: Sequence[Path], headers: Sequence[Header], case: str) -> None:
    """Raise CaseError for a file that is not one grey slice with a place and linear intensities."""
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
        elif _whole(header.get("high_bit", "0")) != _whole(header.get("stored_bits", "1")) - 1:
            problem = f"stores {header.get('stored_bits')} bits up to bit {header.get('high_bit')}"
        elif not all(header.get(tag) for tag in ("position", "orientation", "spacing")):
            problem = "has no position, orientation or pixel spacing"
        else:
            continue
        raise CaseError(case, f"{path.name} {problem}; want one grey slice a file, convert it")


def stacked(headers: Sequence[Header], name: str, case: str) -> Stack:
    """The slices of one series sorted by position. CaseError for slices unlike each other."""
    positions = np.array([_numbers(h["position"], 3, "position", name, case) for h in headers])
    turns = np.array([_numbers(h["orientation"], 6, "orientation", name, case) for h in headers])
    spacings = np.array([_numbers(h["spacing"], 2, "pixel spacing", name, case) for h in headers])
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
    if fault := body_fault((*shape, len(headers)), regular_affine(stack)):
        raise CaseError(case, f"{name} {fault}; mend its headers")
    return stack


def refuse_damaged(path: Path, header: Header, case: str) -> None:
    """Raise CaseError unless the file holds all voxels that its header promises, and no table that
    their intensities go through. OSError."""
    content = path.read_bytes()
    end = content.rstrip(b"\0")[-64:]  # a file may be padded with zeros
    if MODALITY_TABLE.search(content):
        problem = f"{path.name} has a table of intensities (Modality LUT Sequence)"
        raise CaseError(case, f"{problem}; want a rescale slope and intercept, convert it")
    bits = _whole(header.get("bits", ""))
    wanted = _whole(header.get("rows", "")) * _whole(header.get("columns", "")) * bits // 8
    for mark, order in PIXEL_DATA.items():
        place = content.find(mark)
        while place >= 0:
            for begin in (place + 12, place + 8):  # explicit, implicit value representation
                length = int.from_bytes(content[begin - 4 : begin], order)  # type: ignore[arg-type]
                if length == UNDEFINED and DELIMITER in end:
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
    if len(values) != count or not all(abs(value) <= LARGEST_NUMBER for value in values):
        raise CaseError(
            case,
            f"{name} has a slice whose {what} is not {count} numbers up to "
            f"{LARGEST_NUMBER:g}; mend it",
        )
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text.strip("\0 "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 12 else 0
