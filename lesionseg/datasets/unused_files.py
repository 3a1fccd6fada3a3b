"""Files below a data folder that look like scans or masks and are of no scan, each with the reason.

A scan that a layout passes over without a word is missing from training, and may be missing from
the test set.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.formats import is_mask_name
from lesionseg.io.reading import content_files
from lesionseg.storage.csv_table import write_csv

FILE = "not_used.csv"
OTHER_VOLUMES = (".mgz", ".mgh", ".mnc", ".mif", ".hdr", ".img", ".nii.bz2", ".nii.xz", ".nii.zip")
NO_SCAN = "of no scan that is read"
OTHER_FORMAT = "in a format that is not read; convert them to NIfTI"
NO_TARGET = "links to files that are not there; fetch these (git annex get, dvc pull)"
NO_FILE = "no regular files; copy the scans themselves there"
LINKED_FOLDER = "links to folders, which are not followed; give the folder itself"
CLOSED = "folders that cannot be opened"
NAMED = 3  # files of a reason that a line names


def unused_files(
    root: Path, used: Collection[Path], passed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Place under the root -> why the file is not used, in order of the places.

    used: the files and DICOM folders of all scans. passed: the reasons that the layout knows. A
    folder of DICOM slices is one place. Hidden files and folders are left out.
    """
    files = {file for path in used if path.exists() for file in content_files(path)} | set(used)
    folders = files | {parent for path in files for parent in path.parents}
    found: dict[str, str] = {}
    for path, reason in _looked_at(root, files, folders):
        place = path.relative_to(root).as_posix()
        found[place] = (passed or {}).get(place, reason) if reason == NO_SCAN else reason
    return dict(sorted(found.items()))


def unused_words(unused: Mapping[str, str]) -> str:
    """What is not used and why, in one line; nothing where all is used."""
    places: dict[str, list[str]] = defaultdict(list)
    for place, reason in unused.items():
        places[reason].append(place)
    parts = [
        f"{reason} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
        for reason, names in sorted(places.items(), key=lambda item: -len(item[1]))
    ]
    if len(parts) > 1:
        counts = sorted(map(len, places.values()), reverse=True)
        parts = [f"{count} {part}" for count, part in zip(counts, parts)]
    return (
        f"{len(unused)} files{': ' if len(parts) > 1 else ' '}{'; '.join(parts)}" if parts else ""
    )


def write_unused(folder: Path, unused: Mapping[str, str]) -> None:
    """Write folder/not_used.csv: the place of each file and why, atomically. Raises OutputError."""
    write_csv(folder / FILE, ("file", "reason"), unused.items())


def _looked_at(
    root: Path, used: Collection[Path], folders: Collection[Path]
) -> Iterator[tuple[Path, str]]:
    closed: list[Path] = []
    for name, below, names in os.walk(root, onerror=lambda e: closed.append(Path(e.filename))):
        folder = Path(name)
        below[:] = sorted(sub for sub in below if not sub.startswith("."))
        for sub in below:
            if (folder / sub).is_symlink() and folder / sub not in folders:
                yield folder / sub, LINKED_FOLDER
        slices = []
        for path in (folder / name for name in sorted(names) if not name.startswith(".")):
            if path in used:
                continue
            if path.name.lower().endswith(".dcm"):
                slices.append(path)
            elif is_mask_name(path.name):
                yield path, _why(path)
            elif path.name.lower().endswith(OTHER_VOLUMES):
                yield path, OTHER_FORMAT
            elif "." not in path.name and not slices and path.is_file() and is_dicom_file(path):
                slices.append(path)
        if len(slices) == 1 and slices[0].suffix:
            yield slices[0], _why(slices[0])
        elif slices and folder not in used:
            yield (folder if folder != root else slices[0]), NO_SCAN
    yield from ((path, CLOSED) for path in closed)


def _why(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return NO_TARGET
    return NO_SCAN if stat.S_ISREG(mode) else NO_FILE
