"""Scans of a folder without a layout, found by the names of the channels that a model has.

Images belong together whose places differ in nothing but the words for what they show; then those
of one DICOM study, or of one folder, that differ in how they were scanned as well. What is missing
or doubled is said, and never made up for from another patient.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from lesionseg.datasets.layouts.channel_names import OTHER, tells_whose, without_kind
from lesionseg.datasets.layouts.named_images import NamedImage, named_images
from lesionseg.datasets.layouts.scan_files import Layout, ScanFiles, whole
from lesionseg.errors import NoInputError
from lesionseg.io.image_folder import CHANNEL, no_image
from lesionseg.io.nifti.header_only import count_volumes
from lesionseg.wording import counted

SHOWN = 8  # images that a message names
ABOVE = 3  # folders above the root that may give a name
NO_CHANNEL = "image whose name does not say that it is"
WAY_OUT = "give the files in their order, as input=[{}]"

Key = tuple[str, ...]


def read_named_channels(
    root: Path, channels: Sequence[str], *, series: str | None = None, without: Path
) -> Layout:
    """The scans below a folder whose images say which channel they are; of one channel also those
    that say nothing, where no image beside them does.

    channels: as a model names them. series, without: as of `named_images`. Raises NoInputError
    where there is none, naming what was seen.
    """
    images = list(named_images(root, channels, series, without))
    passed = {one.shown: one.why_not for one in images if one.why_not}
    images = [one for one in images if not one.why_not]
    images = _numbered(images, len(channels))
    silent, mute = _silent(images, len(channels))
    said = [one for one in images if one.channel not in (None, OTHER)]
    groups = [[one] for one in silent]
    for key in (lambda one: one.own, lambda one: one.of_study):
        complete, said = _complete(said, key, len(channels))
        groups += complete
    names = _names(root, [*groups, *_by(said, lambda one: one.of_study)])
    found = [_scan(name, group, channels) for name, group in zip(names, groups)]
    left = _by(said, lambda one: one.of_study)
    rejected = {
        name: f"case {name}: {_problem(group, channels)}"
        for name, group in zip(names[len(groups) :], left)
    }
    what = f"{NO_CHANNEL} {', '.join(channels)}"
    passed |= {one.shown: what for one in images if one.channel == OTHER or one in mute}
    if not found and not rejected:
        if not passed:
            raise no_image(root)
        raise _nothing(root, channels, list(passed))
    scans, incomplete = whole(root, found, channels, masks=False)
    rejected |= incomplete
    return Layout(scans, rejected, tuple(channels), passed=passed)


def _numbered(images: Sequence[NamedImage], count: int) -> list[NamedImage]:
    """The images, those that are numbered as nnU-Net does, CASE_0000 and on, being the channels of
    CASE. Of one channel, sub_0012 is a subject."""
    cases: dict[Key, dict[int, NamedImage]] = defaultdict(dict)
    for one in images if count > 1 else ():
        match = CHANNEL.match(one.place[-1]) if one.place and not one.is_dicom else None
        if match:
            cases[(*one.place[:-1], match["case"])].setdefault(int(match["number"]), one)
    made: dict[int, NamedImage] = {}
    for place, found in cases.items():
        silent = all(one.channel is None for one in found.values())
        if set(found) == set(range(count)) or (silent and 0 in found):
            for number, one in found.items():
                made[id(one)] = dataclasses.replace(one, place=place, told=None, channel=number)
    return [made.get(id(one), one) for one in images]


def _silent(images: Sequence[NamedImage], count: int) -> tuple[list[NamedImage], list[NamedImage]]:
    """Of the images that say nothing, those that are scans by themselves, and the others.

    Of one channel that is every one, of several a file of all of them; but beside a patient's
    images that say what they are, it is another one of theirs.
    """
    told = [one for one in images if one.channel is not None]
    folders = {one.place[:-1] for one in told if one.names_nobody}
    studies, paths = {one.study for one in told} - {""}, {one.path for one in told}
    scans: list[NamedImage] = []
    others: list[NamedImage] = []
    for one in images:
        if one.channel is not None:
            continue
        beside = one.place[:-1] in folders or one.study in studies or one.path in paths
        alone = count == 1 or (not one.is_dicom and count_volumes(one.path) > 1)
        (scans if alone and not beside else others).append(one)
    return scans, others


def _by(images: Sequence[NamedImage], key: Callable[[NamedImage], Key]) -> list[list[NamedImage]]:
    groups: dict[Key, list[NamedImage]] = defaultdict(list)
    for one in images:
        groups[key(one)].append(one)
    return list(groups.values())


def _complete(
    images: Sequence[NamedImage], key: Callable[[NamedImage], Key], count: int
) -> tuple[list[list[NamedImage]], list[NamedImage]]:
    """Groups of one image for each channel, in their order, and the images of other groups."""
    groups, left = [], []
    for group in _by(images, key):
        if Counter(one.channel for one in group) == Counter(range(count)):
            groups.append(sorted(group, key=lambda one: one.channel or 0))
        else:
            left += group
    return groups, left


def _scan(name: str, group: Sequence[NamedImage], channels: Sequence[str]) -> ScanFiles:
    paths = tuple(one.path for one in group)
    if len(group) < len(channels):  # a file of all channels
        volumes = tuple(range(len(channels)))
        return ScanFiles(name, name, "test", paths * len(channels), None, volumes)
    series = tuple(one.series for one in group)
    return ScanFiles(name, name, "test", paths, None, series=series if any(series) else ())


def _names(root: Path, groups: Sequence[Sequence[NamedImage]]) -> list[str]:
    """A name for each scan, by the folders and the names of its images; where two would have one,
    by all that these say."""
    short = [_name(root, _shared(group)) for group in groups]
    counts = Counter(name.lower() for name in short)
    return [
        name if counts[name.lower()] == 1 else _name(root, group[0].place, whole_place=True)
        for name, group in zip(short, groups)
    ]


def _shared(group: Sequence[NamedImage]) -> Key:
    """What the places of a scan's images have in common, without the words for what they show."""
    first = group[0]
    if len(group) == len(first.place) == 1 and not first.names_nobody:
        return first.place
    keys = {one.own for one in group}
    if len(keys) == 1:
        return keys.pop()
    shared = []
    for parts in zip(*keys):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    if not shared and not first.study:
        return first.of_study
    return tuple(shared)


def _name(root: Path, parts: Key, *, whole_place: bool = False) -> str:
    if not whole_place and len(parts) > 1 and not without_kind(parts[-1], loose=True):
        parts = parts[:-1]
    below = (*parts[1:], "")
    kept = [part for part, inner in zip(parts, below) if not _begins(inner, part)]
    return named_from_above(root / "image", kept)


def _begins(name: str, part: str) -> bool:
    """Whether a name tells what the folder around it does: P1_T1 in P1."""
    return name == part or (name.startswith(part) and not name[len(part)].isalnum())


def named_from_above(path: Path, parts: Sequence[str]) -> str:
    """The parts as one name, after the folders above a path until one may be the patient's.

    Two series t2 of two patients have two names then.
    """
    kept = list(parts)
    absolute = Path(os.path.abspath(path))  # where links lead says nothing of the patient
    for above in list(absolute.parents)[:ABOVE]:
        if any(map(tells_whose, kept)) or not above.name:
            break
        kept.insert(0, above.name)
    return "_".join(kept)


def _problem(group: Sequence[NamedImage], channels: Sequence[str]) -> str:
    counts = Counter(one.channel for one in group)
    missing = [name for number, name in enumerate(channels) if number not in counts]
    seen = ", ".join(one.words for one in group[:SHOWN])
    way = WAY_OUT.format(",".join(channels)) if len(channels) > 1 else "give the one that is meant"
    if missing:
        got = f"got {seen}, want {', '.join(channels)}"
        return f"missing channel {', '.join(missing)}: {got}; {way}"
    number = next((number for number, count in counts.items() if count > 1), None)
    if number is None:
        return f"got {len(group)} channels, want {len(channels)}: {', '.join(channels)}; {way}"
    twice = ", ".join(one.words for one in group if one.channel == number)
    return f"{counts[number]} images for channel {channels[number]}: {twice}; {way}"


def _nothing(root: Path, channels: Sequence[str], seen: Sequence[str]) -> NoInputError:
    more = ", ..." if len(seen) > SHOWN else ""
    held = f"it holds {counted(len(seen), 'image')}: {', '.join(seen[:SHOWN])}{more}"
    named = f"[{','.join(channels)}]" if len(channels) > 1 else "FILE"
    return NoInputError(
        f"no scan in {root.name} says that it is {', '.join(channels)}; {held}; give the files "
        f"themselves, as input={named}, or choose a DICOM series by dicom.series"
    )
