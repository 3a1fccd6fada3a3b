"""Files below a data folder that look like scans or masks and are of no scan, each with the reason.

A scan that a layout passes over without a word is missing from training, and may be missing from
the test set.
"""

from __future__ import annotations

import re
import stat
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lesionseg.datasets.layouts.name_kinds import says_mask
from lesionseg.datasets.layouts.volume_walk import walk_volumes
from lesionseg.io.formats import strip_suffix
from lesionseg.io.reading import content_files
from lesionseg.storage.csv_table import write_csv
from lesionseg.wording import counted

FILE = "not_used.csv"
OTHER_VOLUMES = (".mnc", ".mif", ".hdr", ".img", ".nii.bz2", ".nii.xz", ".nii.zip")
NO_SCAN = "of no scan that is read"
OTHER_FORMAT = "in a format that is not read, want NIfTI"
NO_TARGET = "link to a file that is not there, to be fetched (git annex get, dvc pull)"
NO_FILE = "no regular file"
LINKED_FOLDER = "link to a folder that is looked at elsewhere or holds this one"
MASK = "mask by its name"
FIRST, FURTHER = "_0000", re.compile(r"(?P<case>.+)_000[1-9]")  # channels, as nnU-Net names them
CLOSED = "folder that cannot be opened"
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


def no_scans(images: Collection[Path]) -> dict[str, str]:
    """Name -> why, of images in one folder that are not to be predicted with a model of one
    channel: masks by their names, unless all are named so, and further channels of a scan whose
    first is missing.

    CASE_0000 is the first channel of CASE. Where no image is named so, sub_0001 is a subject.
    """
    stems = {path: strip_suffix(path.name) for path in images}
    first = {stem.removesuffix(FIRST) for stem in stems.values() if stem.endswith(FIRST)}
    found = {}
    for path, stem in stems.items():
        channel = FURTHER.fullmatch(stem)
        if first and channel and channel["case"] not in first:
            found[path.name] = f"further channel without {channel['case']}{FIRST}"
        elif not stem.endswith(FIRST) and says_mask(stem):
            found[path.name] = MASK
    return found if len(found) < len(stems) else {}


def unused_words(unused: Mapping[str, str]) -> str:
    """What is not used and why, in one line; nothing where all is used."""
    places: dict[str, list[str]] = defaultdict(list)
    for place, reason in unused.items():
        places[reason].append(place)
    parts = [
        f"{reason}: {len(names)} ({', '.join(names[:NAMED])}{', ...' if names[NAMED:] else ''})"
        for reason, names in sorted(places.items(), key=lambda item: -len(item[1]))
    ]
    return f"{counted(len(unused), 'file')}; {'; '.join(parts)}" if parts else ""


def write_unused(folder: Path, unused: Mapping[str, str]) -> None:
    """Write folder/not_used.csv: the place of each file and why, atomically. Raises OutputError."""
    write_csv(folder / FILE, ("file", "reason"), unused.items())


def _looked_at(
    root: Path, used: Collection[Path], folders: Collection[Path]
) -> Iterator[tuple[Path, str]]:
    for folder in walk_volumes(root):
        if folder.closed:
            yield folder.path, CLOSED
        yield from ((path, LINKED_FOLDER) for path in folder.linked if path not in folders)
        slices = [path for path in folder.slices if path not in used]
        if len(slices) > 1 and folder.path != root:
            yield folder.path, NO_SCAN
            slices = []
        yield from ((path, _why(path)) for path in (*folder.images, *slices) if path not in used)
        for path in folder.others:
            if path.name.lower().endswith(OTHER_VOLUMES):
                yield path, OTHER_FORMAT


def _why(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return NO_TARGET
    return NO_SCAN if stat.S_ISREG(mode) else NO_FILE
