"""Everything below a folder that looks like a volume, folder by folder, looked at by name.

Hidden files and folders are left out, as git-annex and macOS make them. Of links to one folder the
first is followed, unless it leads into a circle.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.io.dicom.members import SLICE_ENDINGS, slice_ending
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.formats import is_image_name


@dataclass(frozen=True)
class VolumeFolder:
    """images: files by the ending of a volume, links to nothing and pipes among them. slices: DICOM
    files. others: further files. linked: links to folders that are not followed. closed: it could
    not be opened."""

    path: Path
    images: tuple[Path, ...] = ()
    slices: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    linked: tuple[Path, ...] = ()
    closed: bool = False


def walk_volumes(root: Path) -> Iterator[VolumeFolder]:
    """Every folder from the root on that is not hidden."""
    closed: list[Path] = []
    followed = {real := Path(os.path.realpath(root)), *real.parents}
    for name, below, names in os.walk(
        root, onerror=lambda e: closed.append(Path(e.filename)), followlinks=True
    ):
        folder = Path(name)
        visible = sorted(sub for sub in below if not sub.startswith("."))
        linked = [sub for sub in visible if (folder / sub).is_symlink()]
        left = [sub for sub in linked if not _follow(folder / sub, followed)]
        below[:] = [sub for sub in visible if sub not in left]
        files = [folder / file for file in sorted(names) if not file.startswith(".")]
        images = [path for path in files if is_image_name(path.name)]
        slices = [path for path in files if path.suffix.lower() in SLICE_ENDINGS]
        known = {*images, *slices}
        others = [path for path in files if path not in known]
        slices = slices or _bare_slices(others)
        known = set(slices)
        yield VolumeFolder(
            folder,
            tuple(images),
            tuple(slices),
            tuple(path for path in others if path not in known),
            tuple(folder / sub for sub in left),
        )
    yield from (VolumeFolder(path, closed=True) for path in closed)


def _bare_slices(files: Sequence[Path]) -> list[Path]:
    """Slices without ending, or named by a UID. The first DICOM file tells of all after it: not
    every file is opened."""
    bare = [path for path in files if not slice_ending(path) and path.is_file()]
    bare = [path for path in bare if path.name.upper() != "DICOMDIR"]
    return list(itertools.dropwhile(lambda path: not is_dicom_file(path), bare))


def _follow(link: Path, followed: set[Path]) -> bool:
    """Whether a link leads to a folder that none led to before, and not into a circle."""
    target = Path(os.path.realpath(link))
    inside = Path(os.path.realpath(link.parent))
    if target in followed or inside.is_relative_to(target):
        return False
    followed.add(target)
    return True


def volume_places(root: Path) -> list[Path]:
    """Every volume: image files, folders of several DICOM slices, and single DICOM files."""
    found: list[Path] = []
    for folder in walk_volumes(root):
        found += folder.images
        found += [folder.path] if len(folder.slices) > 1 else folder.slices
    return found
