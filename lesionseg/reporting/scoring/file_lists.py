"""The volumes of a folder by their relative paths without ending; no two files are one volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lesionseg.errors import UsageError
from lesionseg.io.dicom.members import holds_slices
from lesionseg.io.formats import is_image_name, is_mask_name, strip_suffix
from lesionseg.lesion_classes import class_folders
from lesionseg.reporting.scoring.name_words import IMAGE_WORDS, MASK_WORDS, words
from lesionseg.reporting.scoring.nnunet_probabilities import NPZ

OWN_FOLDERS = {
    *("instances", "candidates", "lesions", "probabilities"),
    *("seg_nrrd", "dicom_seg", "dicom_sr", "bids"),
}

Files = dict[str, Path]


def mask_files(folder: Path, setting: str) -> Files:
    """Name -> file of the masks in a folder or, where it holds none itself, of those below it.

    Images that lie beside their mask (P1_FLAIR beside P1_MASK) are no masks. setting: by which the
    folder was given, for messages. Raises UsageError where it is no folder, and where two files of
    different endings have one name.
    """
    found = _listed(folder, setting, is_mask_name)
    return {name: path for name, path in found.items() if not _beside(found, name, IMAGE_WORDS)}


def image_files(folder: Path, setting: str) -> Files:
    """The same of images; where the folder holds none, a folder of DICOM slices in it is one."""
    found = _listed(folder, setting, is_image_name)
    if not found:
        return {p.name: p for p in sorted(folder.iterdir()) if p.is_dir() and holds_slices(p)}
    return {name: path for name, path in found.items() if not _beside(found, name, MASK_WORDS)}


def probability_files(folder: Path, setting: str) -> Files:
    """The same of probabilities: images, or the .npz files of nnU-Net."""
    return _listed(folder, setting, lambda name: is_image_name(name) or _is_npz(name))


def class_probability_files(folder: Path, setting: str, classes: Sequence[str]) -> dict[str, Files]:
    """By class, where the folder holds no probabilities itself but a folder of each class."""
    own = folder.is_dir() and any(
        is_image_name(p.name) or _is_npz(p.name) for p in folder.iterdir()
    )
    if own or not classes:
        return {}
    places = {
        name: next((folder / one for one in (name, short) if (folder / one).is_dir()), None)
        for name, short in zip(classes, class_folders(classes))
    }
    found = {
        name: probability_files(place, f"{setting} of {name}")
        for name, place in places.items()
        if place is not None
    }
    return found if len(found) == len(places) else {}


def _is_npz(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(NPZ)


def _listed(folder: Path, setting: str, fits: Callable[[str], bool]) -> Files:
    if not folder.is_dir():
        raise UsageError(f"{setting} is {folder}, which is not a folder")
    files = sorted(p for p in folder.iterdir() if fits(p.name) and not p.is_dir())
    if not files:
        below = (p for p in folder.rglob("*") if fits(p.name) and not p.is_dir())
        files = sorted(p for p in below if not OWN_FOLDERS & set(p.relative_to(folder).parts[:-1]))
    found: Files = {}
    for path in files:
        stem = path.name[: -len(NPZ)] if _is_npz(path.name) else strip_suffix(path.name)
        name = path.relative_to(folder).with_name(stem).as_posix()
        other = found.setdefault(name, path)
        if other != path:
            raise UsageError(
                f"{setting} holds {other.name} and {path.name}, both {name}; want one file a case: "
                "move the other out of the folder"
            )
    return found


def _beside(found: Files, name: str, kinds: frozenset[str]) -> bool:
    """Whether the last word is one of `kinds` and the same name with a word of the other kind is
    there: P1_FLAIR beside P1_MASK."""
    own = words(name.rpartition("/")[2])
    if len(own) < 2 or name.lower().rpartition("_")[2] not in kinds:
        return False
    others = MASK_WORDS if kinds is IMAGE_WORDS else IMAGE_WORDS
    start = name[: -len(name.rpartition("_")[2])].lower()
    return any(
        other.lower().startswith(start) and other.lower()[len(start) :] in others for other in found
    )
