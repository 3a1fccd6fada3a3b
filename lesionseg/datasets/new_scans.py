"""New scans to predict, found by the readers of training; masks are not wanted.

A file or several, a table of paths, or a folder in any layout; a folder without one holds scans
side by side, or images that say by their names which channel they are.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.datasets.cards.fields import DataCard, Reading
from lesionseg.datasets.layout_choice import read_layout
from lesionseg.datasets.layouts import Found, Layout, ScanFiles, read_bids, read_path_table
from lesionseg.datasets.layouts.bids_names import Named, raw_files
from lesionseg.datasets.layouts.channel_names import OTHER, said_channel, same_channel, without_kind
from lesionseg.datasets.layouts.detection import told_layout
from lesionseg.datasets.layouts.named_channels import named_from_above, read_named_channels
from lesionseg.datasets.layouts.table_rows import DELIMITERS
from lesionseg.datasets.unused_files import no_scans
from lesionseg.errors import UsageError
from lesionseg.io.dicom.members import dicom_files, holds_slices
from lesionseg.io.dicom.series_list import list_series
from lesionseg.io.formats import is_image_name, strip_suffix
from lesionseg.io.image_folder import CHANNEL, find_images
from lesionseg.io.nifti.header_only import count_volumes

AUTO = Reading(layout="auto", spacing_mm="unknown")


@dataclass(frozen=True)
class NewScans:
    """rejected: case -> why, in one line. passed: place below the source -> why that image is not
    predicted."""

    scans: tuple[ScanFiles, ...]
    rejected: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, str] = field(default_factory=dict)


def find_new_scans(
    sources: Sequence[Path],
    channels: Sequence[str],
    output: Path,
    *,
    card: DataCard | None = None,
    series: str | None = None,
) -> NewScans:
    """The scans of one source, or of several files: one a channel, or one a scan of one channel.

    channels: as the model names them, in its order, in which each scan has its images. output:
    whose files are no scans. card: how a folder is laid out, where it cannot be told by looking.
    series: of DICOM, as the user asked for. Raises UsageError for a source that is missing or
    whose channels are others, NoInputError where there is no scan.
    """
    for source in sources:
        if not os.path.lexists(source):
            raise UsageError(
                f"input {source.name} does not exist; give a scan or a folder of scans"
            )
    if len({os.path.realpath(source) for source in sources}) < len(sources):
        raise UsageError("input gives one file twice; give each channel, or each scan, once")
    if len(sources) > 1 and len(channels) == 1:
        return _joined(
            [find_new_scans([one], channels, output, card=card, series=series) for one in sources]
        )
    if len(sources) > 1:
        return NewScans((_of_files(sources, channels),))
    source = sources[0]
    table = source.is_file() and source.suffix.lower() in DELIMITERS
    if not source.is_dir() and not table:
        return _side_by_side(source, channels)
    if card is not None and (by_card := _by_card(source, channels, card)) is not None:
        return by_card
    if not table and _lie_side_by_side(source, channels):
        return _side_by_side(source, channels)
    told = told_layout(source)
    if told is not None:
        return _told(source, channels, told)
    without = output.resolve()
    return _new(read_named_channels(source, channels, series=series, without=without), channels)


def _joined(parts: Sequence[NewScans]) -> NewScans:
    """The scans of several sources. Raises UsageError where two have one name."""
    names = [case for part in parts for case in (*(one.case for one in part.scans), *part.rejected)]
    lower = [name.lower() for name in names]
    if twice := [name for name in names if lower.count(name.lower()) > 1]:
        raise UsageError(f"input gives two scans named {twice[0]}; predict them one by one")
    return NewScans(
        tuple(scan for part in parts for scan in part.scans),
        {case: why for part in parts for case, why in part.rejected.items()},
    )


def _of_files(sources: Sequence[Path], channels: Sequence[str]) -> ScanFiles:
    """One scan of a file a channel."""
    if len(sources) != len(channels):
        raise UsageError(
            f"input gives {len(sources)} files, the model wants {len(channels)} channels: "
            f"{', '.join(channels)}; give one file for each, or one folder"
        )
    for number, source in enumerate(sources):
        said = said_channel(strip_suffix(source.name), channels)
        if said is not None and said != number:
            what = "another image" if said == OTHER else channels[said]
            raise UsageError(
                f"input gives {source.name} as {channels[number]}, and its name says {what}; give "
                f"the channels in the order {', '.join(channels)}"
            )
    own = {without_kind(strip_suffix(source.name)) for source in sources}
    name = own.pop() if len(own) == 1 else strip_suffix(sources[0].name)
    case = named_from_above(sources[0], [name] if name else [])
    return ScanFiles(case, case, "test", tuple(sources), None)


def _lie_side_by_side(source: Path, channels: Sequence[str]) -> bool:
    """Whether scans lie right in a folder, or it is one itself: as files or folders named for
    their cases, and not for what they show."""
    if dicom_files(source):
        return len(channels) == 1 and len(list_series(source)) < 2
    images = [path for path in sorted(source.iterdir()) if is_image_name(path.name)]
    if len(channels) > 1:
        places = [path for path in sorted(source.iterdir()) if _numbered(path, channels)]
        several = any(path.is_file() and count_volumes(path) > 1 for path in images)
        return several or any(
            holds_slices(one) if one.is_dir() else is_image_name(one.name) for one in places
        )
    stems = [strip_suffix(path.name).removesuffix("_0000") for path in images]
    return bool(stems) and all(said_channel(stem, channels) is None for stem in stems)


def _numbered(path: Path, channels: Sequence[str]) -> bool:
    """Whether a name ends in the number of a channel, and not of a subject, as flair_0012 does."""
    stem = strip_suffix(path.name)
    match = CHANNEL.match(stem)
    first = match is not None and int(match["number"]) == 0
    return first or (match is not None and said_channel(stem, channels) is None)


def _side_by_side(source: Path, channels: Sequence[str]) -> NewScans:
    """A file or DICOM folder, or a folder of these: channels are CASE_0000 and on, or volumes."""
    found = find_images(source, len(channels))
    passed: Mapping[str, str] = {}
    if len(channels) == 1 and source.is_dir():
        passed = no_scans([path for _, paths in found for path in paths])
    scans = []
    for case, paths in found:
        if any(path.name in passed for path in paths):
            continue
        images: tuple[Path, ...] = tuple(paths)
        volumes: tuple[int, ...] = ()
        if len(paths) == 1 < len(channels) and count_volumes(paths[0]) > 1:
            images, volumes = (paths[0],) * len(channels), tuple(range(len(channels)))
        alone = paths and (len(found) == 1 or not without_kind(case))
        name = named_from_above(paths[0], [case]) if alone else case
        scans.append(ScanFiles(name, name, "test", images, None, volumes))
    return NewScans(tuple(scans), passed=passed)


def _told(source: Path, channels: Sequence[str], told: Found) -> NewScans:
    """A folder whose layout is told by more than names of images."""
    if told.layout == "bids":
        suffixes = sorted({one.suffix for _, one in raw_files(source) if isinstance(one, Named)})
        ends = {channel: _called(channel, channels, suffixes, source) for channel in channels}
        return _new(read_bids(source, channels=ends, masks=False), channels)
    made = read_layout(told.layout, source, AUTO, None, told, masks=False)
    wanted = [_called(channel, channels, made.channels, source) for channel in channels]
    if told.table is not None:  # what is missing of other columns does not matter
        made = read_path_table(told.table, masks=False, channels=wanted)
    return _new(made, channels, [made.channels.index(name) for name in wanted])


def _by_card(source: Path, channels: Sequence[str], card: DataCard) -> NewScans | None:
    """None where a card leaves it to looking, and names alone tell what lies there."""
    reading = card.reading
    if reading.channels:
        named = {one.name: one for one in reading.channels}
        wanted = [_called(channel, channels, list(named), source) for channel in channels]
        reading = reading.model_copy(update={"channels": tuple(named[name] for name in wanted)})
    told = told_layout(source) if reading.layout in ("auto", "table") else None
    layout = told.layout if told else reading.layout
    if layout == "auto":
        return None
    made = read_layout(layout, source, reading, card.splits.patient_expression, told, masks=False)
    wanted = [_called(channel, channels, made.channels, source) for channel in channels]
    return _new(made, channels, [made.channels.index(name) for name in wanted])


def _called(channel: str, channels: Sequence[str], names: Sequence[str], source: Path) -> str:
    """The name that a channel of the model has in a folder. Raises UsageError where it has none."""
    fitting = [name for name in names if name == channel]
    fitting = fitting or [name for name in names if same_channel(name, channel, channels)]
    if not fitting and len(channels) == len(names) == 1:
        fitting = [name for name in names if said_channel(name, channels) != OTHER]
    if len(fitting) == 1:
        return fitting[0]
    raise UsageError(
        f"{source.name} has channels {', '.join(names)}, of which "
        f"{', '.join(fitting) or 'none'} is {channel}; the model wants {', '.join(channels)}: "
        "name them so, or say which they are in a data card, data.card=FILE.yaml"
    )


def _new(made: Layout, channels: Sequence[str], order: Sequence[int] | None = None) -> NewScans:
    """The scans of a layout with their images in the order of the model."""
    picked = list(range(len(channels))) if order is None else order
    scans = tuple(
        dataclasses.replace(
            scan,
            images=tuple(scan.images[number] for number in picked),
            volumes=tuple(scan.volumes[number] for number in picked if scan.volumes),
        )
        for scan in made.scans
    )
    rejected = {
        case: problem.removeprefix(f"case {case}: ") for case, problem in made.rejected.items()
    }
    return NewScans(scans, rejected, made.passed)
