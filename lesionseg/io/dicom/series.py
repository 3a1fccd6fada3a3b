"""A folder of DICOM slices to one volume: by their positions, never by their order or numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.dicom.enhanced import frame_headers, frame_voxels, open_enhanced
from lesionseg.io.dicom.members import (
    Members,
    folder_members,
    listed,
    repeated_files,
    slices_below,
)
from lesionseg.io.dicom.series_choice import chosen_series, refuse_several
from lesionseg.io.dicom.slice_headers import (
    Header,
    is_scout,
    read_headers,
    refuse_damaged,
    refuse_other_kinds,
    stacked,
)
from lesionseg.io.dicom.stack import (
    Stack,
    even_planes,
    irregularities,
    regular_affine,
    resampled,
)
from lesionseg.io.itk.process import ask
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Volume

DicomIrregular = Literal["refuse", "resample"]


def read_dicom(
    folder: Path, case: str, *, irregular: DicomIrregular = "refuse", series: str | None = None
) -> Volume:
    """A DICOM series of a folder, one image a file. Raises CaseError, naming `case`.

    series: which, by its number, UID or description; None for the only one.
    irregular: what becomes of slices with a tilt, unequal gaps or gaps where some are missing.
    "resample" puts them onto a regular grid along their normal, float32, each slice within 0.1 mm
    of its true place. Repeated positions, several series and mosaics are refused either way.
    """
    folder = Path(folder)
    try:
        members = folder_members(folder, case)
        if members.enhanced is not None:
            found = read_enhanced(members.enhanced, case, irregular=irregular)
            return dataclasses.replace(found, notes=(*members.notes, *found.notes))
        paths, stack, notes = _stacked_series(members, folder, case, series)
        stored = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise _unreadable(folder, case, error) from error
    problems = _problems(stack, irregular, folder.name, case)
    voxels = _voxels(list(map(str, paths)), stack, folder.name, case, stored)
    return _placed(voxels, stack, problems, (*members.notes, *notes), folder.name, case)


def series_stack(folder: Path, case: str, series: str | None = None) -> tuple[list[Path], Stack]:
    """The files of the slices that `read_dicom` takes, in the order of the stack, or the enhanced
    file that holds them all. Raises CaseError as it does."""
    try:
        members = folder_members(folder, case)
        if members.enhanced is not None:
            return [members.enhanced], enhanced_stack(members.enhanced, case)
        paths, stack, _ = _stacked_series(members, folder, case, series)
    except OSError as error:
        raise _unreadable(folder, case, error) from error
    return paths, stack


def enhanced_stack(path: Path, case: str) -> Stack:
    """The frames of an enhanced file as `read_enhanced` takes them; raises as it does."""
    return _enhanced(path, case)[2]


def _stacked_series(
    members: Members, folder: Path, case: str, series: str | None
) -> tuple[list[Path], Stack, tuple[str, ...]]:
    """The slices in the order of their stack, and notes. Raises CaseError and OSError."""
    paths, headers, notes = _series(members, folder, case, series)
    notes += _refuse_slices_below(folder, headers, case)
    refuse_other_kinds(paths, headers, case)
    refuse_several(paths, headers, folder.name, case)
    stack = stacked(headers, folder.name, case)
    for path, header in zip(paths, headers):
        refuse_damaged(path, header, case)
    return [paths[index] for index in stack.order], stack, notes


def _unreadable(folder: Path, case: str, error: OSError) -> CaseError:
    reason = (error.strerror or type(error).__name__).lower()
    return CaseError(case, f"{folder.name} cannot be read: {reason}")


def read_enhanced(path: Path, case: str, *, irregular: DicomIrregular = "refuse") -> Volume:
    """An enhanced multi-frame file, its frames taken as the slices of a series, with the same rules
    and errors; UsageError where pydicom is not installed."""
    dataset, headers, stack = _enhanced(path, case)
    problems = _problems(stack, irregular, path.name, case)
    voxels = frame_voxels(dataset, headers, stack.order, path, case)
    return _placed(voxels, stack, problems, (), path.name, case)


def _enhanced(path: Path, case: str) -> tuple[Any, list[Header], Stack]:
    dataset = open_enhanced(path, case)
    headers = frame_headers(dataset, path, case)
    paths = [path] * len(headers)
    refuse_other_kinds(paths, headers, case)
    refuse_several(paths, headers, path.name, case)
    return dataset, headers, stacked(headers, path.name, case)


def _problems(stack: Stack, irregular: DicomIrregular, name: str, case: str) -> list[str]:
    """What is to be resampled of a stack. Raises CaseError where it must not be."""
    problems = irregularities(stack)
    if problems and irregular == "refuse":
        raise CaseError(
            case,
            f"{name} is no regular stack of {len(stack.along)} slices: {'; '.join(problems)}; "
            "set dicom.irregular=resample, or export it again without",
        )
    return problems


def _series(
    members: Members, folder: Path, case: str, wanted: str | None
) -> tuple[list[Path], list[Header], tuple[str, ...]]:
    """The slices without copies, localisers and other series than the wanted one, their headers,
    and notes of what was left out."""
    paths = members.slices
    notes: tuple[str, ...] = ()
    headers = read_headers(paths, folder, case)
    if wanted is not None:
        chosen = chosen_series(paths, headers, wanted, folder.name, case)
        others = dict.fromkeys(set(paths) - {paths[n] for n in chosen}, "slices of other series")
        notes = _passed_over(folder, dict(sorted(others.items())))
        paths, headers = [paths[n] for n in chosen], [headers[n] for n in chosen]
    copies = repeated_files(paths, [header.get("uid", "") for header in headers])
    dropped = dict.fromkeys(copies, "copy of another slice")
    scouts = {
        path: "localiser"
        for path, header in zip(paths, headers)
        if is_scout(header) and path not in dropped
    }
    if len(scouts) + len(dropped) < len(paths):  # localisers alone are a series
        dropped |= scouts
    kept = [(path, header) for path, header in zip(paths, headers) if path not in dropped]
    notes += _passed_over(folder, dropped)
    return [path for path, _ in kept], [header for _, header in kept], notes


def _passed_over(folder: Path, others: Mapping[Path, str]) -> tuple[str, ...]:
    return (f"{folder.name}: passed over {listed(others)}",) if others else ()


def _refuse_slices_below(folder: Path, headers: Sequence[Header], case: str) -> tuple[str, ...]:
    """CaseError where folders inside this one hold slices of its series; else a note of others."""
    below = slices_below(folder)
    if not below:
        return ()
    series = {header.get("series") for header in headers}
    for path, header in zip(below, read_headers(below, folder, case)):
        if header.get("series") in series:
            raise CaseError(
                case,
                f"{path.parent.name} in {folder.name} holds more slices of its series, like "
                f"{path.name}; put them into one folder, or move them away",
            )
    kind = "slices of another series in a folder below"
    return _passed_over(folder, dict.fromkeys(below, kind))


def _placed(
    voxels: NDArray[Any],
    stack: Stack,
    problems: Sequence[str],
    notes: tuple[str, ...],
    name: str,
    case: str,
) -> Volume:
    """The voxels of a stack, resampled onto even planes where it has problems. Raises CaseError."""
    if not problems:
        return Volume(voxels, regular_affine(stack), notes=notes)
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
    return Volume(array, affine, notes=(*notes, note))


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
