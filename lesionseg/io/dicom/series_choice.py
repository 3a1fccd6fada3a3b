"""Which series of a folder of DICOM slices is read, where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.dicom.slice_headers import Header
from lesionseg.io.nifti.affine_faults import by_sizes

ORIENTATION_SLACK = 1e-3  # cosines that differ less are of one orientation
SHOWN_SERIES = 8  # of those that a message names
LONGEST = 40  # letters of a description that a message shows


def chosen_series(
    paths: Sequence[Path], headers: Sequence[Header], wanted: str, name: str, case: str
) -> list[int]:
    """Which slices are of the wanted series. wanted: its number, UID, or description in any case.

    Raises CaseError, naming the series that there are, where none is it.
    """
    chosen = [index for index, header in enumerate(headers) if is_called(header, wanted)]
    if chosen:
        return chosen
    groups = _stacks(headers)
    raise CaseError(
        case,
        f"{name} holds no DICOM series '{wanted}'; it holds {_listed(groups, paths, headers)}",
    )


def refuse_several(paths: Sequence[Path], headers: Sequence[Header], name: str, case: str) -> None:
    """Raise CaseError where the slices are of several series or orientations, each named."""
    groups = _stacks(headers)
    if len(groups) < 2:
        return
    counts = ", ".join(str(len(members)) for members in groups)
    raise CaseError(
        case,
        f"{name} holds {len(groups)} stacks (series or orientations) of {counts} slices "
        f"({_listed(groups, paths, headers)}); {_way_out([headers[g[0]] for g in groups])}put the "
        "files of the one that you want into a folder of their own, and give that",
    )


def is_called(header: Header, wanted: str) -> bool:
    """Whether a user means the series of a slice by its number, UID, or description in any case."""
    described = header.get("description", "").casefold()
    return wanted in (header.get("series"), header.get("series_number")) or (
        described == wanted.casefold()
    )


def _stacks(headers: Sequence[Header]) -> list[list[int]]:
    """The slices by series and orientation, in the order in which these come."""
    groups: list[tuple[str, NDArray[np.float64] | None, list[int]]] = []
    for index, header in enumerate(headers):
        series, turn = header.get("series", ""), _numbers(header.get("orientation", ""), 6)
        for one, like, members in groups:
            if one == series and _same_turn(like, turn):
                members.append(index)
                break
        else:
            groups.append((series, turn, [index]))
    return [members for _, _, members in groups]


def _same_turn(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.abs(one - other).max() <= ORIENTATION_SLACK)


def _listed(
    groups: Sequence[Sequence[int]], paths: Sequence[Path], headers: Sequence[Header]
) -> str:
    """Each stack in words: CT series 3 'head', 20 slices of 512x512, 0.5x0.5x5 mm, like a.dcm."""
    words = []
    for members in groups[:SHOWN_SERIES]:
        first = headers[members[0]]
        described = first.get("description", "")
        short = described[:LONGEST] + ("..." if len(described) > LONGEST else "")
        sizes = _voxel_sizes([headers[index] for index in members])
        words.append(
            f"{first.get('modality', 'no modality')} series "
            f"{first.get('series_number') or 'without number'}"
            f"{f' {short!r}' if short else ''}, {len(members)} slices of "
            f"{first.get('columns')}x{first.get('rows')}{f', {sizes} mm' if sizes else ''}, like "
            f"{paths[members[0]].name}"
        )
    more = f"; and {len(groups) - SHOWN_SERIES} more" if len(groups) > SHOWN_SERIES else ""
    return "; ".join(words) + more


def _way_out(firsts: Sequence[Header]) -> str:
    """How to choose one by dicom.series, where a number or description is that of one stack."""
    for key in ("series_number", "description"):
        names = [header.get(key, "").casefold() for header in firsts]
        alone = [n for n, name in enumerate(names) if name and names.count(name) == 1]
        if alone:
            name = firsts[alone[0]][key]
            shown = name if name.isalnum() else repr(name)
            return f"set dicom.series to its number or description, like dicom.series={shown}, or "
    return ""


def _voxel_sizes(headers: Sequence[Header]) -> str:
    """Along columns, rows and slices, in mm, as text; nothing where the headers do not say."""
    spacing, turn = (
        _numbers(headers[0].get(tag, ""), count)
        for tag, count in (("spacing", 2), ("orientation", 6))
    )
    places = [_numbers(header.get("position", ""), 3) for header in headers]
    known = [place for place in places if place is not None]
    if spacing is None or turn is None or len(known) < 2:
        return ""
    along = np.sort(np.array(known) @ np.cross(turn[:3], turn[3:]))
    return by_sizes(np.array([spacing[1], spacing[0], np.median(np.diff(along))]))


def _numbers(text: str, count: int) -> NDArray[np.float64] | None:
    try:
        values = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        return None
    return values if len(values) == count and np.isfinite(values).all() else None
