"""What the columns of a table of paths are: case, channels, masks, and those that are no paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.name_kinds import Kind, kind_of
from lesionseg.datasets.layouts.scan_files import SPLIT_WORDS
from lesionseg.datasets.layouts.table_rows import Row
from lesionseg.errors import UsageError
from lesionseg.io.dicom.members import dicom_files
from lesionseg.io.formats import is_mask_name

CASES = ("case", "case_id", "id", "subject", "subject_id", "participant_id", "scan", "scan_id")
PATIENTS = ("patient", "patient_id", "subject", "subject_id", "participant_id", "participant")
SPLITS = ("set", "subset", "part", "partition", "fold", "group", "dataset")  # read by their cells
RATER = "mask_"  # a column mask_NAME holds the mask of rater NAME
NO_RATERS = ("brain", "skull", "head", "tissue", "gm", "wm", "csf", "cortex", "ribbon", "bet")
LOOKED_AT = 5  # cells of a column whose files are looked for
WANTED = "columns case, one a channel, and any of patient, split, mask"


@dataclass(frozen=True)
class Columns:
    """case: of the case ids. mask: of the lesion masks, or else raters. unread: the others."""

    case: str
    patient: str | None
    split: str | None
    channels: tuple[str, ...]
    mask: str | None
    raters: tuple[str, ...]
    unread: tuple[str, ...]


def case_column(heads: Sequence[str]) -> str | None:
    """The column of the case ids, by its head."""
    return _first(CASES, heads)


def _first(names: Sequence[str], heads: Sequence[str]) -> str | None:
    by_name = {re.sub(r"[\s\-]+", "_", head.lower()): head for head in reversed(heads)}
    return next((by_name[name] for name in names if name in by_name), None)


def _split_by_cells(heads: Sequence[str], rows: Sequence[Row]) -> str | None:
    """The column like "set" whose cells all are words for training and testing."""
    for name in SPLITS:
        head = _first((name,), heads)
        if head and all(row[head].lower() in SPLIT_WORDS for row in rows):
            return head
    return None


def find_columns(
    table: Path, heads: Sequence[str], rows: Sequence[Row], mask: str | None, *, masks: bool = True
) -> Columns:
    """What each column is, by its head and by whether its cells name volumes.

    mask: the column of the lesion masks, where it is known. masks: whether any is wanted. Raises
    UsageError for a table without
    cases or channels, and where it cannot be told which column is of the lesions.
    """
    case = case_column(heads)
    patient = _first(PATIENTS, [head for head in heads if head != case])
    split = _first(("split",), heads) or _split_by_cells(heads, rows)
    others = [head for head in heads if head not in (case, patient, split)]
    paths = [head for head in others if names_volumes(table.parent, head, rows)]
    drawn = [h for h in paths if h == mask or kind_of(h) in ("lesion", "mask", "other mask")]
    taken, raters = _lesion_columns(table, drawn, mask) if masks else (None, [])
    channels = [head for head in paths if head not in drawn]
    if case is not None and not channels:
        channels = [h for h in others if h.lower() != "mask" and not any(row[h] for row in rows)]
    if case is None or not channels:
        raise UsageError(f"{table.name} has columns {list(heads)}; want {WANTED}, with paths")
    used = {*channels, taken, *raters}
    unread = [head for head in others if head not in used and head.lower() != "mask"]
    return Columns(case, patient, split, tuple(channels), taken, tuple(raters), tuple(unread))


def names_volumes(root: Path, head: str, rows: Sequence[Row]) -> bool:
    """Whether some cell of a column is the path of a volume, by its name or by looking."""
    cells = [row[head] for row in rows if row[head]]
    places = [cell.replace("\\", "/") for cell in cells]
    if any(is_mask_name(place.rpartition("/")[2]) for place in places):
        return True
    return any(_is_volume(root / place) for place in places[:LOOKED_AT] if "\0" not in place)


def _is_volume(path: Path) -> bool:
    try:
        return bool(dicom_files(path)) if path.is_dir() else path.is_file()
    except OSError:
        return False


def _lesion_columns(
    table: Path, masks: Sequence[str], mask: str | None
) -> tuple[str | None, list[str]]:
    """The column of the lesion masks, or those of the raters' masks."""
    if mask is not None:
        if mask not in masks:
            raise UsageError(f"data.mask is '{mask}', no column of paths in {table.name}")
        return mask, []
    kinds: dict[str, Kind] = {head: kind_of(head) for head in masks}
    raters = [
        head
        for head in masks
        if head.lower().startswith(RATER) and head[len(RATER) :].lower() not in NO_RATERS
    ]
    plain = [head for head in masks if head.lower() == "mask"]
    lesions = [head for head in masks if kinds[head] == "lesion" and head not in raters]
    maybe = plain + lesions
    if raters and not maybe:
        return None, raters
    maybe = maybe or [head for head in masks if kinds[head] == "mask"]
    if len(maybe) == 1:
        return maybe[0], []
    if masks:
        raise UsageError(
            f"{table.name} has columns of masks, {', '.join(masks)}, and none alone says that it "
            f"is of the lesions; say which with data.mask, for example data.mask={masks[0]}"
        )
    return None, []
