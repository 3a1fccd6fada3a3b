"""Which layout a folder has, found by looking at names, never into volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lesionseg.datasets.layouts.bids_names import Named, raw_files
from lesionseg.datasets.layouts.dataset_json import FILE, raw_dataset_json
from lesionseg.datasets.layouts.guessed_patterns import guess_patterns
from lesionseg.datasets.layouts.scan_files import entries
from lesionseg.datasets.layouts.table_columns import case_column, names_volumes
from lesionseg.datasets.layouts.table_rows import DELIMITERS, read_heads, read_table
from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.safe_path import path_inside

NESTED = ("*/", "*/*/")  # where a data folder may lie when the one above it was given
SHOWN = 3  # of them in a message
LayoutName = Literal["nnunet", "msd", "bids", "table", "patterns"]
LAYOUTS: Mapping[LayoutName, str] = {
    "nnunet": "nnU-Net raw",
    "msd": "Medical Segmentation Decathlon",
    "bids": "BIDS",
    "table": "table of paths",
    "patterns": "path patterns",
}


@dataclass(frozen=True)
class Found:
    """layout: its name. table: the file, for "table". channels: patterns, for "patterns".

    mask: which masks are of lesions, by pattern, where that is known.
    """

    layout: LayoutName
    table: Path | None = None
    channels: Mapping[str, str] | None = None
    mask: str | None = None


def detect_layout(root: Path, mask: str | None = None) -> Found:
    """The layout of a folder, or of a CSV or TSV file.

    mask: which masks are of lesions, where that is known; see `guess_patterns`. Raises NoInputError
    where it has none, UsageError where it cannot be told which masks are of lesions.
    """
    found = told_layout(Path(root)) or _guessed(Path(root), mask)
    return found if found.layout == "patterns" else dataclasses.replace(found, mask=mask)


def told_layout(root: Path) -> Found | None:
    """The layout that a dataset.json, BIDS names or a table of paths tell; None where none does.

    Raises NoInputError for what is no folder and no table, UsageError where several are there.
    """
    if root.is_file() and root.suffix.lower() in DELIMITERS:
        return Found("table", table=root)
    if not root.is_dir():
        raise NoInputError(f"{root.name} is no folder and no table; give the folder of the data")
    if (root / FILE).is_file():
        return Found(_of_dataset_json(root))
    if below := [path.parent for depth in NESTED for path in sorted(root.glob(depth + FILE))]:
        names = ", ".join(path.relative_to(root).as_posix() for path in below[:SHOWN])
        more = f" and {len(below) - SHOWN} more" if len(below) > SHOWN else ""
        raise UsageError(f"{root.name} holds {FILE} in {names}{more}; give one of these folders")
    if any(isinstance(named, Named) for _, named in raw_files(root)):
        return Found("bids")
    tables = _path_tables(root)
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise UsageError(f"{root.name} holds several tables of paths: {names}; give one of them")
    return Found("table", table=tables[0]) if tables else None


def _guessed(root: Path, mask: str | None) -> Found:
    guess = guess_patterns(root, mask)
    if guess is not None:
        return Found("patterns", channels=guess.channels, mask=guess.mask)
    raise NoInputError(
        f"no layout fits {root.name}; looked for {', '.join(LAYOUTS.values())}; "
        "describe it in a data card (data.card=FILE.yaml)"
    )


def _of_dataset_json(root: Path) -> LayoutName:
    """The Decathlon lists files that exist as they are listed; nnU-Net adds a channel number."""
    content = raw_dataset_json(root, "nnU-Net raw or a Medical Segmentation Decathlon folder")
    listed = content.get("training") or content.get("test")
    first = listed[0] if isinstance(listed, list) and listed else None
    image = first.get("image") if isinstance(first, dict) else first
    if "channel_names" in content or not image:
        return "nnunet"
    return "msd" if path_inside(root, str(image)).is_file() else "nnunet"


def _path_tables(root: Path) -> list[Path]:
    """The tables of a folder that name volumes by case; those that only might, where none does."""
    surely, maybe = [], []
    for path in (path for path in entries(root) if path.suffix.lower() in DELIMITERS):
        heads = read_heads(path)
        case = case_column(heads)
        others = [head for head in heads if head != case]
        if case is None or not others:
            continue
        try:
            rows = read_table(path)[1]
        except UsageError:  # said when it is read
            rows = []
        if any(names_volumes(root, head, rows) for head in others):
            surely.append(path)
        elif case.lower() == "case":
            maybe.append(path)
    return surely or maybe
