"""Every image below a folder, with the channel that its name or its DICOM description speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.channel_names import OTHER, said_channel, tells_whose, without_kind
from lesionseg.datasets.layouts.name_kinds import holds_masks, says_mask
from lesionseg.datasets.layouts.volume_walk import VolumeFolder, walk_volumes
from lesionseg.io.dicom.kinds import ENHANCED, object_kind
from lesionseg.io.dicom.members import dicom_files
from lesionseg.io.dicom.series_choice import is_called
from lesionseg.io.dicom.series_list import DicomSeries, list_series
from lesionseg.io.formats import strip_suffix

MASK = "mask by its name"
NO_SLICES = "DICOM files that are no slices"


@dataclass(frozen=True)
class NamedImage:
    """place: folders below the root, and the name without its ending. told: which of these speaks
    of the image, None where a DICOM description does or nothing. channel: its number, OTHER, or
    None where nothing says it. why_not: why it is no image to predict, whatever it shows. series:
    UID of one of several in a folder. study: UID of the DICOM study. words: it, for messages."""

    path: Path
    place: tuple[str, ...]
    told: int | None
    channel: int | None
    words: str
    why_not: str = ""
    is_dicom: bool = False
    series: str = ""
    study: str = ""

    @property
    def shown(self) -> str:
        """Its place for messages; of one of several series, which it is."""
        return self.words if self.series or not self.is_dicom else "/".join(self.place)

    @property
    def own(self) -> tuple[str, ...]:
        """The place without the word for the kind of image."""
        parts = [
            without_kind(part) if number == self.told else part
            for number, part in enumerate(self.place)
        ]
        return tuple(filter(None, parts))

    @property
    def of_study(self) -> tuple[str, ...]:
        """What it shares with the other images of its scan: the DICOM study, else the place without
        all words for kinds of images and ways to scan."""
        if self.study:
            return ("study", self.study)
        *folders, leaf = self.place or ("",)
        kept = [folder for number, folder in enumerate(folders) if number != self.told]
        leaf = "" if self.names_nobody else without_kind(leaf, loose=True)
        return tuple(filter(None, (*kept, leaf)))

    @property
    def names_nobody(self) -> bool:
        """Whether its own name says no more than what it shows, as of one of a patient's images."""
        leaf = (self.place or ("",))[-1]
        return not (tells_whose(leaf) if self.is_dicom else without_kind(leaf, loose=True))


def named_images(
    root: Path, channels: Sequence[str], series: str | None, without: Path
) -> Iterator[NamedImage]:
    """Every image below a folder, in order of the places.

    series: the DICOM series that a user asked for; with one channel no other is it. without: a
    folder that is left out; earlier predictions are, wherever they lie. Raises OSError.
    """
    for folder in walk_volumes(root):
        if folder.path.resolve().is_relative_to(without) or _is_prediction(root, folder.path):
            continue
        for path in folder.images:
            yield _file(root, path, channels)
        yield from _dicom(root, folder, channels, series)


def _is_prediction(root: Path, folder: Path) -> bool:
    """Whether a folder holds masks that a prediction wrote, or lies in one that does."""
    around = [folder, *(one for one in folder.parents if one.is_relative_to(root))]
    return any((one / "instances").is_dir() and (one / "lesions").is_dir() for one in around)


def _file(root: Path, path: Path, channels: Sequence[str]) -> NamedImage:
    *folders, name = path.relative_to(root).parts
    stem = strip_suffix(name)
    place = (*folders, stem.removesuffix("_0000") if len(channels) == 1 else stem)
    told, channel = _told(place, channels)
    masked = says_mask(place[-1]) or any(map(holds_masks, folders))
    words = "/".join((*folders, name))
    return NamedImage(path, place, told, channel, words, MASK if masked else "")


def _told(place: Sequence[str], channels: Sequence[str]) -> tuple[int | None, int | None]:
    """Which part of a place speaks of the image, the last that does, and of which channel."""
    for number in reversed(range(len(place))):
        channel = said_channel(place[number], channels)
        if channel is not None:
            return number, channel
    return None, None


def _dicom(
    root: Path, folder: VolumeFolder, channels: Sequence[str], asked: str | None
) -> Iterator[NamedImage]:
    if not folder.slices:
        return
    kinds = {path: object_kind(path) for path in dicom_files(folder.path)}
    whole = [path for path, kind in kinds.items() if kind == ENHANCED]
    if kinds and None not in kinds.values() and not whole:
        place = folder.path.relative_to(root).parts
        words = "/".join(place) or root.name
        yield NamedImage(folder.path, place, None, None, words, NO_SLICES, is_dicom=True)
    elif len(whole) > 1 and None not in kinds.values():  # each file is a series
        for path in whole:
            yield from _series(root, path, channels, asked)
    else:
        yield from _series(root, folder.path, channels, asked)


def _series(
    root: Path, path: Path, channels: Sequence[str], asked: str | None
) -> Iterator[NamedImage]:
    """The series of a DICOM folder, or of an enhanced file."""
    *folders, name = path.relative_to(root).parts or ("",)
    place = tuple(filter(None, (*folders, strip_suffix(name))))
    words = "/".join((*folders, name)) or root.name
    told, of_place = _told(place, channels)
    found = list_series(path)
    images = [one for one in found if not one.scout] or found
    unsaid = of_place is None and all(_described(one, channels) is None for one in images)
    if not images or (
        len(images) > 1 and unsaid and asked is None
    ):  # reading it says what is wrong
        yield NamedImage(path, place, told, of_place, words, is_dicom=True)
        return
    for one in images:
        told_by, channel = told, of_place
        if asked is not None and len(channels) == 1:
            channel = 0 if is_called(one.header, asked) else OTHER
        elif len(images) > 1 or channel is None:
            own = _described(one, channels)
            told_by, channel = (None, own) if own is not None else (told, of_place)
        yield NamedImage(
            path,
            place,
            told_by,
            channel,
            f"{words}: {one.words}",
            is_dicom=True,
            series=one.uid if len(images) > 1 else "",
            study=one.study,
        )


def _described(one: DicomSeries, channels: Sequence[str]) -> int | None:
    if one.scout:
        return OTHER
    text = one.description.lower()
    # T1 FLAIR is T1-weighted, whatever is nulled in it
    for apart in ("t1 flair", "t1_flair", "t1-flair", "t1flair"):
        text = text.replace(apart, "t1")
    return said_channel(text, channels)
