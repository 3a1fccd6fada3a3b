"""Which layout a folder has, found by looking at names, never into volumes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lesionseg.datasets.layouts.dataset_json import FILE, raw_dataset_json
from lesionseg.datasets.layouts.path_table import DELIMITERS, table_heads
from lesionseg.datasets.layouts.scan_files import entries
from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.formats import is_image_name
from lesionseg.storage.safe_path import path_inside

LayoutName = Literal["nnunet", "msd", "bids", "table", "patterns"]
LAYOUTS: Mapping[LayoutName, str] = {
    "nnunet": "nnU-Net raw",
    "msd": "Medical Segmentation Decathlon",
    "bids": "BIDS",
    "table": "table of paths",
    "patterns": "path patterns",
}
MASK_WORDS = re.compile(
    r"mask|msk|seg|label|lesion|consensus|truth|(^|_)(gt|roi|wmh)(_|\.|$)", re.I
)
USUAL = 0.6  # a file name that this share of the scan folders has is a channel


@dataclass(frozen=True)
class Found:
    """layout: its name. table: the file, for "table". channels, mask: patterns, for "patterns"."""

    layout: LayoutName
    table: Path | None = None
    channels: Mapping[str, str] | None = None
    mask: str | None = None


def detect_layout(root: Path) -> Found:
    """The layout of a folder, or of a CSV or TSV file. Raises NoInputError where it has none."""
    root = Path(root)
    if root.is_file() and root.suffix.lower() in DELIMITERS:
        return Found("table", table=root)
    if not root.is_dir():
        raise NoInputError(
            f"data.root {root.name} is no folder and no table; give the data's folder"
        )
    if (root / FILE).is_file():
        return Found(_of_dataset_json(root))
    described = (root / "dataset_description.json").is_file()
    subjects = [f for f in entries(root) if f.name.startswith("sub-") and f.is_dir()]
    if subjects and (described or len(subjects) > 1):
        return Found("bids")
    tables = [path for path in entries(root) if path.suffix.lower() in DELIMITERS]
    tables = [path for path in tables if _is_path_table(path)]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise UsageError(
            f"{root.name} holds several tables of paths: {names}; give one as data.root"
        )
    if tables:
        return Found("table", table=tables[0])
    patterns = guess_patterns(root)
    if patterns is not None:
        return Found("patterns", channels=patterns[0], mask=patterns[1])
    raise NoInputError(
        f"no layout fits {root.name}; looked for {', '.join(LAYOUTS.values())}; "
        "describe it in a data card (data.card=FILE.yaml)"
    )


def guess_patterns(root: Path) -> tuple[dict[str, str], str | None] | None:
    """(pattern by channel, pattern of the mask) of folders that hold like-named images.

    A folder's own name within a file's name is read as a field: P1/T1/P1_T1_FLAIR.nii.gz becomes
    {patient}/{session}/{patient}_{session}_FLAIR.nii.gz. None where no name recurs.
    """
    best: tuple[int, dict[str, str], str | None] | None = None
    for depth in (1, 2, 3):
        folders = [f for f in root.glob("/".join("*" * depth)) if f.is_dir()]
        held = [
            {_pattern(root, path) for path in entries(f) if is_image_name(path.name)}
            for f in folders
        ]
        held = [patterns for patterns in held if patterns]
        counts = Counter(pattern for patterns in held for pattern in patterns)
        images = [pattern for pattern in counts if not MASK_WORDS.search(_leaf(pattern))]
        first = min(images, key=lambda pattern: (-counts[pattern], pattern), default=None)
        most = counts[first] if first else 0
        if most < 2 or (best and best[0] >= most):
            continue
        beside = Counter(p for patterns in held if first in patterns for p in patterns)
        usual = sorted(pattern for pattern, count in beside.items() if count >= USUAL * most)
        masks = [p for p in usual if MASK_WORDS.search(_leaf(p))]
        named = {_leaf(p).partition(".")[0].strip("_-"): p for p in usual if p not in masks}
        if named and len(named) == len(usual) - len(masks):
            best = (most, named, masks[0] if len(masks) == 1 else None)
    return None if best is None else best[1:]


def _pattern(root: Path, path: Path) -> str:
    folders = path.relative_to(root).parts[:-1]
    names = {1: ["patient"], 2: ["patient", "session"], 3: ["group", "patient", "session"]}
    fields = names[len(folders)]
    leaf = path.name
    for folder, field in sorted(zip(folders, fields), key=lambda pair: -len(pair[0])):
        leaf = re.sub(
            rf"(?<![A-Za-z0-9{{]){re.escape(folder)}(?![A-Za-z0-9}}])",
            f"{{{field}}}",
            leaf,
            count=1,
        )
    return "/".join([*(f"{{{field}}}" for field in fields), leaf])


def _leaf(pattern: str) -> str:
    """The file's name in a pattern, less its fields: what says channel or mask."""
    return re.sub(r"\{[a-z]+\}[_-]?", "", pattern.rsplit("/", 1)[-1])


def _of_dataset_json(root: Path) -> LayoutName:
    """The Decathlon lists files that exist as they are listed; nnU-Net adds a channel number."""
    content = raw_dataset_json(root, "nnU-Net raw or a Medical Segmentation Decathlon folder")
    listed = content.get("training")
    first = listed[0] if isinstance(listed, list) and listed else None
    if "channel_names" in content or not isinstance(first, dict) or "image" not in first:
        return "nnunet"
    return "msd" if path_inside(root, str(first["image"])).is_file() else "nnunet"


def _is_path_table(path: Path) -> bool:
    heads = table_heads(path)
    return "case" in heads and len(heads) > 1
