"""Scans to predict: one file, or a folder of them, channels told apart by _0000, _0001, ..."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.dicom.members import dicom_files, holds_slices
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.formats import IMAGES, is_image_name, strip_suffix

CHANNEL = re.compile(r"^(?P<case>.+)_(?P<number>\d{4})$")


def find_images(source: Path, num_channels: int) -> list[tuple[str, list[Path]]]:
    """(case, images in channel order) of every scan of a file or folder, sorted by case.

    An image is a file, or a folder of DICOM slices, which is one of its name; the source may be
    such a folder itself. With one channel, CASE.nii.gz and CASE_0000.nii.gz both name CASE. With
    more, each case needs CASE_0000 ... and a file given stands for all of its case. A case with an
    extra channel is returned with it, one that lacks a channel with those that are in their place:
    either way their number says what is wrong.
    What is named like an image and cannot be one, a link to nothing or a pipe, is returned: reading
    it says what is wrong, and nothing is passed over in silence.
    Raises UsageError where the source is missing or two files are one image of a case, NoInputError
    where it holds no image.
    """
    if not os.path.lexists(source):
        raise UsageError(f"input {source.name} does not exist; give a scan or a folder of scans")
    wanted, places = None, [source]
    if source.is_dir():
        places += sorted(source.iterdir())
    else:
        wanted = _named(source, num_channels)[0]
        places = sorted(source.parent.iterdir()) if num_channels > 1 else places
    scans: dict[str, dict[int, Path]] = {}
    for path in places:
        case, number = _named(path, num_channels)
        whole = path == source and path.is_file() and is_dicom_file(path)
        if wanted not in (None, case) or not (whole or _may_be_image(path)):
            continue
        other = scans.setdefault(case, {}).setdefault(number, path)
        if other != path:
            raise UsageError(f"{other.name} and {path.name} are both case {case}; move one away")
    if not scans:
        raise no_image(source)
    return [(case, _channels(images, num_channels)) for case, images in sorted(scans.items())]


def no_image(source: Path) -> NoInputError:
    """The error of a source that holds no image."""
    endings = ", ".join(IMAGES)
    return NoInputError(
        f"no scan in {source.name}; want files ending in {endings}, or folders of DICOM slices"
    )


def _may_be_image(path: Path) -> bool:
    """By its name, or by what the folder holds; a file that is none says so when it is read."""
    if not path.is_dir():
        return is_image_name(path.name)
    return not path.name.startswith(".") and holds_slices(path)


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
