"""Scans to predict: one file, or a folder of them, channels told apart by _0000, _0001, ..."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.dicom.members import dicom_files, holds_slices
from lesionseg.io.formats import IMAGES, is_image_name, strip_suffix

CHANNEL = re.compile(r"^(?P<case>.+)_(?P<number>\d{4})$")


def find_images(source: Path, num_channels: int) -> list[tuple[str, list[Path]]]:
    """(case, images in channel order) of every scan of a file or folder, sorted by case.

    With one channel, CASE.nii.gz and CASE_0000.nii.gz both name CASE. With more, each case needs
    CASE_0000 ... and a file given stands for all of its case. A case with an extra channel is
    returned with it, one that lacks a channel with those that are in their place: either way their
    number says what is wrong. With one channel, a folder of DICOM slices is a scan of its name,
    and so is each such folder in a folder without other images.
    What is named like an image and cannot be one, a link to nothing or a pipe, is returned: reading
    it says what is wrong, and nothing is passed over in silence.
    Raises UsageError where the source is missing or two files are one image of a case, NoInputError
    where it holds no image.
    """
    if not os.path.lexists(source):
        raise UsageError(f"input {source.name} does not exist; give a scan or a folder of scans")
    folder = source if source.is_dir() else source.parent
    wanted = None if source.is_dir() else _named(source, num_channels)[0]
    scans: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir() if source.is_dir() or num_channels > 1 else [source]):
        if is_image_name(path.name) and not path.is_dir():  # reading names what is no file
            case, number = _named(path, num_channels)
            other = scans.setdefault(case, {}).setdefault(number, path)
            if other != path:
                raise UsageError(
                    f"{other.name} and {path.name} are both case {case}; move one away"
                )
    found = [
        (case, _channels(images, num_channels))
        for case, images in sorted(scans.items())
        if wanted is None or case == wanted
    ]
    if not found and source.is_dir() and num_channels == 1:
        folders = [source, *(path for path in sorted(source.iterdir()) if path.is_dir())]
        found = [(path.name, [path]) for path in folders if holds_slices(path)]
    if not found:
        endings = ", ".join(IMAGES)
        raise NoInputError(f"no scan in {source.name}; want files ending in {endings}")
    return found


def holds_images(folder: Path) -> bool:
    """Whether images lie right in a folder, which need not exist."""
    if not folder.is_dir():
        return False
    return any(is_image_name(path.name) for path in folder.iterdir()) or bool(dicom_files(folder))


def _channels(images: dict[int, Path], num_channels: int) -> list[Path]:
    """In their order; where one is missing, a later one must not be taken for it."""
    whole = all(number in images for number in range(num_channels))
    return [images[number] for number in sorted(images) if whole or number < num_channels]


def _named(path: Path, num_channels: int) -> tuple[str, int]:
    stem = strip_suffix(path.name)
    match = CHANNEL.match(stem)
    if match is None or (num_channels == 1 and match["number"] != "0000"):
        return stem, 0  # with one channel, sub_0012 is a subject
    return match["case"], int(match["number"])
