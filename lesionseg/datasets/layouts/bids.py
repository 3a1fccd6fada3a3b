"""BIDS with masks among its derivatives, by our own walk over the names of the specification.

A name is entities and a suffix, sub-01_ses-02_acq-3D_run-1_FLAIR.nii.gz. A scan is a session, or a
run of it where a channel has several; the case id keeps subject, session and run.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.scan_files import (
    Layout,
    ScanFiles,
    counted,
    entries,
    whole,
)
from lesionseg.errors import CaseError, NoInputError, UsageError
from lesionseg.io.formats import is_image_name, strip_suffix

ENTITY = re.compile(r"(?P<key>[a-zA-Z]+)-(?P<value>[a-zA-Z0-9]+)")
MASK_SUFFIXES = ("mask", "dseg", "msk", "seg", "roi", "lesion")
NOT_LESIONS = ("brain", "GM", "WM", "CSF", "head", "tissue")  # of label- and desc-
USUAL = 0.5  # a suffix that this share of the sessions has is a channel


@dataclass(frozen=True)
class Named:
    """A file by its BIDS name."""

    path: Path
    entities: Mapping[str, str]
    suffix: str

    def fits(self, wanted: Mapping[str, str], suffix: str) -> bool:
        same = all(self.entities.get(key) == value for key, value in wanted.items())
        return same and self.suffix.lower() == suffix.lower()


Session = tuple[str, str]  # subject and session, the latter empty where there is none


def read_bids(
    root: Path, *, channels: Mapping[str, str] | None = None, mask: str | None = None
) -> Layout:
    """The scans of a BIDS folder; each subject is a patient.

    channels: name -> what its file's name ends in, entities that single it out and the suffix, like
    "acq-3D_FLAIR"; by default every suffix that half of the sessions have. mask: the same for the
    masks below derivatives/, like "label-lesion_mask"; by default any mask that is not of the
    brain or its tissues. Raises NoInputError for no session, UsageError for a malformed pattern.
    """
    root = Path(root)
    images = _by_session(_walk(root))
    if not images:
        raise NoInputError(f"no sub-*/ with images in {root.name}; want a BIDS folder")
    masks = _by_session(_derivatives(root))
    wanted = {
        name: _entities_and_suffix(text) for name, text in (channels or _usual(images)).items()
    }
    found: list[ScanFiles] = []
    rejected: dict[str, str] = {}
    for session, files in sorted(images.items()):
        try:
            found += _session_scans(session, files, masks.get(session, []), wanted, mask)
        except CaseError as error:
            rejected[error.case] = str(error)
    scans, more = whole(root, found, tuple(wanted))
    rejected |= more
    return Layout(scans, rejected, tuple(wanted), found=counted("BIDS", scans, rejected))


def parse_name(path: Path) -> Named | None:
    """A path's entities and suffix; None where its name is not one of BIDS."""
    *pairs, suffix = strip_suffix(path.name).split("_")
    matches = [ENTITY.fullmatch(pair) for pair in pairs]
    if not pairs or not all(matches) or ENTITY.fullmatch(suffix):
        return None
    entities = {m["key"]: m["value"] for m in matches if m}
    return Named(path, entities, suffix) if "sub" in entities else None


def _walk(folder: Path) -> Iterator[Named]:
    """Images below folder/sub-*/, sessions and data types between or not."""
    for subject in entries(folder):
        if subject.name.startswith("sub-") and subject.is_dir():
            levels = [subject, *(sub for sub in entries(subject) if sub.is_dir())]
            levels += [s for level in levels[1:] for s in entries(level) if s.is_dir()]
            for path in sorted(path for level in levels for path in entries(level)):
                named = parse_name(path) if is_image_name(path.name) else None
                if named and _stands_in_its_folders(named, subject.name):
                    yield named


def _stands_in_its_folders(named: Named, subject: str) -> bool:
    """Whether its folders are of the subject and the session in its name; else it is misplaced."""
    sessions = [part for part in named.path.parts[-3:-1] if part.startswith("ses-")]
    session = named.entities.get("ses")
    elsewhere = session is not None and any(part != f"ses-{session}" for part in sessions)
    return f"sub-{named.entities['sub']}" == subject and not elsewhere


def _derivatives(root: Path) -> Iterator[Named]:
    derivatives = root / "derivatives"
    for folder in (derivatives, *(f for f in entries(derivatives) if f.is_dir())):
        yield from _walk(folder)


def _by_session(files: Iterator[Named]) -> dict[Session, list[Named]]:
    sessions: dict[Session, list[Named]] = defaultdict(list)
    for one in files:
        sessions[one.entities["sub"], one.entities.get("ses", "")].append(one)
    return dict(sessions)


def _usual(images: Mapping[Session, Sequence[Named]]) -> dict[str, str]:
    counts = Counter(s for files in images.values() for s in {file.suffix for file in files})
    names = [s for s in sorted(counts) if s.lower() not in MASK_SUFFIXES]
    usual = [name for name in names if counts[name] >= USUAL * len(images)]
    return {name: name for name in usual or names}


def _entities_and_suffix(text: str) -> tuple[dict[str, str], str]:
    *pairs, suffix = text.split("_")
    matches = [ENTITY.fullmatch(pair) for pair in pairs]
    if not suffix.isalnum() or not all(matches):
        raise UsageError(f"'{text}' is no end of a BIDS name; want for example 'acq-3D_FLAIR'")
    return {m["key"]: m["value"] for m in matches if m}, suffix


def _session_scans(
    session: Session,
    files: Sequence[Named],
    masks: Sequence[Named],
    wanted: Mapping[str, tuple[dict[str, str], str]],
    mask: str | None,
) -> list[ScanFiles]:
    subject, ses = session
    name = f"sub-{subject}" + (f"_ses-{ses}" if ses else "")
    by_channel = {
        channel: [file for file in files if file.fits(*pattern)]
        for channel, pattern in wanted.items()
    }
    absent = [channel for channel, found in by_channel.items() if not found]
    if absent:
        raise CaseError(name, f"missing channel {', '.join(absent)}; want {', '.join(wanted)}")
    found_runs = {f.entities.get("run", "") for found in by_channel.values() for f in found}
    runs = sorted(found_runs - {""})
    several = max(len(found) for found in by_channel.values()) > 1 and len(runs) > 1
    scans = []
    for run in runs if several else [""]:
        case = name + (f"_run-{run}" if run else "")
        chosen = [_one(case, channel, found, run) for channel, found in by_channel.items()]
        scans.append(
            ScanFiles(
                case,
                f"sub-{subject}",
                "train",
                tuple(one.path for one in chosen),
                _mask_of(case, chosen, masks, mask),
            )
        )
    return scans


def _one(case: str, channel: str, found: Sequence[Named], run: str) -> Named:
    """The file of a channel in a run; one that all runs share has no run in its name."""
    fitting = [one for one in found if one.entities.get("run", "") == run] if run else list(found)
    fitting = fitting or [one for one in found if "run" not in one.entities]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise CaseError(case, f"missing channel {channel} of this run")
    names = ", ".join(one.path.name for one in fitting)
    raise CaseError(
        case,
        f"{len(fitting)} files for channel {channel}: {names}; single one out in the data card",
    )


def _mask_of(
    case: str, images: Sequence[Named], masks: Sequence[Named], pattern: str | None
) -> Path | None:
    fitting = [one for one in masks if _belongs(one, images)]
    if pattern is not None:
        entities, suffix = _entities_and_suffix(pattern)
        fitting = [one for one in fitting if one.fits(entities, suffix)]
    else:
        fitting = [one for one in fitting if one.suffix.lower() in MASK_SUFFIXES and _lesions(one)]
    if len(fitting) > 1:
        names = ", ".join(one.path.name for one in fitting)
        raise CaseError(
            case, f"{len(fitting)} masks: {names}; name one of them in the data card's mask"
        )
    return fitting[0].path if fitting else None


def _belongs(mask: Named, images: Sequence[Named]) -> bool:
    """Whether every entity that a mask shares with the images has the value of one of them."""
    for key in ("run", "acq", "space", "ce", "rec", "echo"):
        known = {image.entities[key] for image in images if key in image.entities}
        if key in mask.entities and known and mask.entities[key] not in known:
            return False
    return True


def _lesions(mask: Named) -> bool:
    return not {mask.entities.get("label"), mask.entities.get("desc")} & set(NOT_LESIONS)
