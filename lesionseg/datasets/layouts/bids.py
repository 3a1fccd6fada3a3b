"""BIDS with masks among its derivatives or beside the images, by our own walk over its names.

A scan is a session, or a run of it where a channel has several; the case id keeps subject, session
and run. Names themselves: `bids_names`; which mask is a scan's: `bids_masks`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionseg.datasets.layouts.bids_masks import (
    Chosen,
    MaskWanted,
    choose_mask,
    looks_like_mask,
    mask_words,
    parse_mask,
    seen_words,
)
from lesionseg.datasets.layouts.bids_names import (
    Named,
    NameEnd,
    derived_files,
    parse_end,
    raw_files,
)
from lesionseg.datasets.layouts.scan_files import Layout, ScanFiles, scans_found, whole
from lesionseg.errors import CaseError, NoInputError, UsageError

USUAL = 0.5  # a suffix that this share of the sessions has is a channel
NO_CHANNELS = ("func", "fmap", "perf", "eeg", "meg", "ieeg", "beh", "nirs", "motion", "mrs", "micr")
OTHER_TYPE = "of a kind that is no channel, like func and fmap"
RARE = "image of a suffix that is no channel"
LESS_PLAIN = "image beside a plainer one of its suffix"
UNNAMED = "image that is not in the raw data"

Session = tuple[str, str]  # subject and session, the latter empty where there is none


@dataclass(frozen=True)
class _Files:
    """What a folder holds: images and masks by session, and why other files are nobody's."""

    images: Mapping[Session, Sequence[Named]]
    masks: Mapping[Session, Sequence[Named]]
    nobodys: Mapping[Path, str]


@dataclass(frozen=True)
class _Scan:
    """A scan with the names of its images and the choice of its mask."""

    files: ScanFiles
    images: Sequence[Named]
    chosen: Chosen


def read_bids(
    root: Path,
    *,
    channels: Mapping[str, str] | None = None,
    mask: str | None = None,
    masks: bool = True,
) -> Layout:
    """The scans of a BIDS folder, or of its rawdata/; each subject is a patient.

    channels: name -> what its file's name ends in, entities that single it out and the suffix, like
    "acq-3D_FLAIR"; by default every suffix of anatomy that half of the sessions have. Of several
    files that fit, the one with the fewest further entities is taken. mask: the same for the masks,
    like "label-lesion_mask", with the folder of a pipeline before it or not; by default the masks
    whose names say lesion. masks: as in `whole`. Raises NoInputError for no session, UsageError
    for a malformed pattern and where masks were seen and none is of lesions.
    """
    root = Path(root)
    wanted = parse_mask(mask) if mask else None
    files = _walk(root)
    if not files.images:
        raise NoInputError(f"no sub-*/ with images in {root.name}; want a BIDS folder")
    ends = {name: parse_end(text) for name, text in (channels or {}).items()}
    images = files.images if ends else _of_anatomy(files.images)
    ends = _without_contrast(ends or _usual(images), images)
    found: list[_Scan] = []
    rejected: dict[str, str] = {}
    for session in sorted(images):
        drawn = files.masks if masks else {}
        for one in _session_scans(session, images[session], drawn, ends, wanted):
            if isinstance(one, CaseError):
                rejected[one.case] = str(one)
            else:
                found.append(one)
    if masks and not rejected:
        _refuse_no_lesions(root, files, found, mask)
    scans, incomplete = whole(root, [one.files for one in found], tuple(ends), masks=masks)
    rejected |= incomplete
    return Layout(
        scans,
        rejected,
        tuple(ends),
        found=scans_found("BIDS", scans, rejected) + _variant_words(found, tuple(ends)),
        masks=mask_words([one.chosen.mask for one in found if one.chosen.mask]),
        passed=_passed(root, files, ends, found),
        bare={one.files.case: one.chosen.seen for one in found if one.chosen.mask is None},
    )


def _walk(root: Path) -> _Files:
    images: dict[Session, list[Named]] = defaultdict(list)
    masks: dict[Session, list[Named]] = defaultdict(list)
    nobodys: dict[Path, str] = {}
    for path, named in [*raw_files(root), *derived_files(root)]:
        if isinstance(named, str):
            nobodys[path] = named
        elif looks_like_mask(named):
            masks[_session(named)].append(named)
        elif named.folder is None and not named.source:
            images[_session(named)].append(named)
        else:
            nobodys[path] = UNNAMED
    return _Files(dict(images), dict(masks), nobodys)


def _session(one: Named) -> Session:
    return one.entities["sub"], one.entities.get("ses", "")


def _of_anatomy(images: Mapping[Session, Sequence[Named]]) -> dict[Session, list[Named]]:
    """The images that may be channels; sessions without one are left out."""
    kept = {
        session: [one for one in files if not _of_other_type(one)]
        for session, files in images.items()
    }
    return {session: files for session, files in kept.items() if files}


def _of_other_type(one: Named) -> bool:
    series = one.path.with_name(one.path.name.partition(".")[0] + ".bval").exists()
    return series or one.path.parent.name in NO_CHANNELS


def _usual(images: Mapping[Session, Sequence[Named]]) -> dict[str, NameEnd]:
    """Suffixes of half of the sessions, without contrast agent where some image is without."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for files in images.values():
        for suffix in {one.suffix for one in files}:
            spellings[suffix.lower()][suffix] += 1
    names = sorted(found.most_common(1)[0][0] for found in spellings.values())
    usual = [name for name in names if spellings[name.lower()].total() >= USUAL * len(images)]
    return {name: NameEnd({}, name) for name in usual or names}


def _without_contrast(
    ends: Mapping[str, NameEnd], images: Mapping[Session, Sequence[Named]]
) -> dict[str, NameEnd]:
    """The ends, less images with contrast agent where some are without: they are no one channel."""
    return {
        name: dataclasses.replace(end, without="ce")
        if "ce" not in end.entities
        and any(end.fits(one) and "ce" not in one.entities for one in _all(images))
        else end
        for name, end in ends.items()
    }


def _session_scans(
    session: Session,
    files: Sequence[Named],
    masks: Mapping[Session, Sequence[Named]],
    ends: Mapping[str, NameEnd],
    wanted: MaskWanted | None,
) -> Iterator[_Scan | CaseError]:
    """The scans of a session, and why others of it are none."""
    subject, ses = session
    name = f"sub-{subject}" + (f"_ses-{ses}" if ses else "")
    near = {one.path: one for key in (session, (subject, "")) for one in masks.get(key, ())}
    by_channel = {channel: [f for f in files if end.fits(f)] for channel, end in ends.items()}
    absent = [channel for channel, fitting in by_channel.items() if not fitting]
    if absent:
        others = ", ".join(sorted({one.end for one in files}))
        problem = f"missing channel {', '.join(absent)}; want {', '.join(ends)}"
        yield CaseError(name, f"{problem}; got {others}")
        return
    for run, text in _runs(by_channel).items():
        case = name + (f"_run-{text}" if run else "")
        try:
            images = [_one(case, channel, found, run) for channel, found in by_channel.items()]
            chosen = choose_mask(case, images, files, list(near.values()), wanted)
        except CaseError as error:
            yield error
            continue
        mask = chosen.mask.path if chosen.mask else None
        paths = tuple(one.path for one in images)
        yield _Scan(ScanFiles(case, f"sub-{subject}", "train", paths, mask), images, chosen)


def _runs(by_channel: Mapping[str, Sequence[Named]]) -> dict[str, str]:
    """The numbers of a session's runs -> as they are written; "" for all of it, where no channel
    has several."""
    runs = {one.value("run"): one.entities.get("run", "") for one in _all(by_channel)}
    several = any(len({one.value("run") for one in found}) > 1 for found in by_channel.values())
    numbers = sorted(set(runs) - {""})
    return {number: runs[number] for number in numbers} if several and numbers[1:] else {"": ""}


def _one(case: str, channel: str, found: Sequence[Named], run: str) -> Named:
    """The file of a channel in a run; one that all runs share has no run in its name."""
    fitting = [one for one in found if one.value("run") == run] if run else list(found)
    fitting = fitting or [one for one in found if "run" not in one.entities]
    if not fitting:
        raise CaseError(case, f"missing channel {channel} of this run")
    fewest = min(len(one.further) for one in fitting)
    plainest = [one for one in fitting if len(one.further) == fewest]
    if len(plainest) == 1:
        return plainest[0]
    names = ", ".join(one.path.name for one in plainest)
    raise CaseError(
        case,
        f"{len(plainest)} files for channel {channel}: {names}; single one out in the data card, "
        f"like pattern: {plainest[0].end}",
    )


def _refuse_no_lesions(root: Path, files: _Files, found: Sequence[_Scan], mask: str | None) -> None:
    """UsageError where masks were seen and no scan has one of lesions: any would be a guess."""
    seen = list(_all(files.masks))
    if not seen or any(one.chosen.mask for one in found):
        return
    want = f"none is '{mask}'" if mask else "none is taken for a mask of lesions"
    raise UsageError(
        f"{root.name} holds masks, and {want}: {seen_words(seen, _reasons(found))}; "
        f"say which with data.mask, for example data.mask={seen[0].end}"
    )


def _reasons(found: Sequence[_Scan]) -> dict[Path, str]:
    return {path: why for one in found for path, why in one.chosen.others.items()}


def _passed(
    root: Path, files: _Files, ends: Mapping[str, NameEnd], found: Sequence[_Scan]
) -> dict[str, str]:
    """Why files are of no scan, by their places."""
    reasons = {**files.nobodys, **_reasons(found)}
    used = {one.path for scan in found for one in scan.images}
    taken = {(_session(one), one.suffix) for scan in found for one in scan.images}
    suffixes = {end.suffix.lower() for end in ends.values()}
    for one in (one for one in _all(files.images) if one.path not in used):
        if _of_other_type(one):
            reasons[one.path] = OTHER_TYPE
        elif (_session(one), one.suffix) in taken:
            reasons[one.path] = LESS_PLAIN
        elif one.suffix.lower() not in suffixes:
            reasons[one.path] = RARE
    return {path.relative_to(root).as_posix(): reason for path, reason in reasons.items()}


def _all(groups: Mapping[Any, Sequence[Named]]) -> Iterable[Named]:
    return (one for files in groups.values() for one in files)


def _variant_words(found: Sequence[_Scan], channels: Sequence[str]) -> str:
    """Channels whose files differ in further entities from scan to scan."""
    words = ""
    for number, channel in enumerate(channels):
        variants = [one.images[number].further for one in found]
        counts = Counter("_".join(f"{k}-{v}" for k, v in each.items()) for each in variants)
        if len(counts) > 1:
            parts = [f"{name or 'plain'} in {count}" for name, count in counts.most_common()]
            words += f"; {channel} is {', '.join(parts)}"
    return words
