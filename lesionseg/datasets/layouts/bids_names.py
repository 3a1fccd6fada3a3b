"""The names of BIDS: entities and a suffix, like sub-01_ses-02_acq-3D_run-1_FLAIR.nii.gz.

A file derived from another may keep that one's suffix before its own entities, as lesion masks do:
sub-01_T1w_label-lesion_roi.nii.gz.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.name_kinds import is_mask, kind_of
from lesionseg.datasets.layouts.scan_files import entries
from lesionseg.errors import UsageError
from lesionseg.io.formats import is_image_name, strip_suffix

ENTITY = re.compile(r"(?P<key>[a-zA-Z]+)-(?P<value>[a-zA-Z0-9+]+)")
NUMBERS = ("run", "echo", "inv", "split", "flip")  # run-1 is run-01
OWN = ("sub", "ses", "run")  # which scan a file is of
DEEPEST = 3  # folders between derivatives/ and the subjects
RAW = ("", "rawdata")


@dataclass(frozen=True)
class Named:
    """A file by its BIDS name. source: the suffix of the image it was made from, where it says so.

    folder: the folders between derivatives/ and the subject, None for a file of the raw data.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    source: str = ""
    folder: str | None = None

    def value(self, key: str) -> str:
        """The value of an entity, a number without zeros before it; "" where it has none."""
        value = self.entities.get(key, "")
        return str(int(value)) if key in NUMBERS and value.isdigit() else value

    @property
    def further(self) -> dict[str, str]:
        """The entities that do not say which scan it is of."""
        return {key: value for key, value in self.entities.items() if key not in OWN}

    @property
    def end(self) -> str:
        """What its name ends in, without subject, session and run: "label-lesion_mask"."""
        pairs = [f"{key}-{value}" for key, value in self.further.items()]
        return "_".join([*([self.source] if self.source else []), *pairs, self.suffix])


@dataclass(frozen=True)
class NameEnd:
    """What singles a file out: entities and a suffix, like "acq-3D_FLAIR".

    source: as of a name, where it counts. without: an entity that it must not have.
    """

    entities: Mapping[str, str]
    suffix: str
    source: str = ""
    without: str = ""

    def fits(self, one: Named) -> bool:
        same = all(one.entities.get(key) == value for key, value in self.entities.items())
        same = same and self.without not in one.entities and self.source in ("", one.source)
        return same and one.suffix.lower() == self.suffix.lower()


def parse_name(path: Path) -> Named | None:
    """A path's entities and suffix; None where its name is not one of BIDS.

    A last part like lesion-manual, as some write it, is the suffix lesion of desc-manual.
    """
    *parts, suffix = strip_suffix(path.name).split("_")
    match = ENTITY.fullmatch(suffix)
    if match and is_mask(kind_of(match["key"])) and match["key"] != "label":
        parts, suffix = [*parts, f"desc-{match['value']}"], match["key"]
    found = _parted(parts)
    if found is None or not parts or ENTITY.fullmatch(suffix):
        return None
    entities, source = found
    if ENTITY.fullmatch(parts[0]) is None or "sub" not in entities:
        return None
    return Named(path, entities, suffix, source)


def parse_end(text: str) -> NameEnd:
    """Entities and suffix of the end of a name. Raises UsageError for what is none."""
    *parts, suffix = text.split("_")
    found = _parted(parts)
    if not suffix.isalnum() or found is None:
        raise UsageError(f"'{text}' is no end of a BIDS name; want for example 'acq-3D_FLAIR'")
    return NameEnd(found[0], suffix, found[1])


def _parted(parts: Sequence[str]) -> tuple[dict[str, str], str] | None:
    """The entities of a name's parts, and what stands between them; None for what is neither."""
    matches = [ENTITY.fullmatch(part) for part in parts]
    plain = [part for part, match in zip(parts, matches) if match is None]
    if not all(part.isalnum() for part in plain):
        return None
    return {m["key"]: m["value"] for m in matches if m}, "_".join(plain)


def raw_root(root: Path) -> Path | None:
    """The folder of the subjects, the root or rawdata/ in it; None where there is none."""
    for name in RAW:
        if any(_is_subject(folder) for folder in entries(root / name)):
            return root / name
    return None


def raw_files(root: Path) -> Iterator[tuple[Path, Named | str]]:
    """Every image below the subjects, with its name or why it is nobody's."""
    raw = raw_root(root)
    if raw is not None:
        yield from _files(raw, None)


def derived_files(root: Path) -> Iterator[tuple[Path, Named | str]]:
    """The same below derivatives/, of the root and of rawdata/, at any depth of pipelines."""
    for name in RAW:
        yield from _below(root / name / "derivatives", "", DEEPEST)


def _below(folder: Path, pipeline: str, depth: int) -> Iterator[tuple[Path, Named | str]]:
    yield from _files(folder, pipeline)
    if depth:
        for sub in entries(folder):
            if sub.is_dir() and not _is_subject(sub):
                yield from _below(sub, f"{pipeline}/{sub.name}".strip("/"), depth - 1)


def _files(folder: Path, pipeline: str | None) -> Iterator[tuple[Path, Named | str]]:
    """Images below folder/sub-*/, sessions and data types between or not."""
    for subject in (sub for sub in entries(folder) if _is_subject(sub)):
        levels = [subject, *(sub for sub in entries(subject) if sub.is_dir())]
        levels += [s for level in levels[1:] for s in entries(level) if s.is_dir()]
        for path in sorted(path for level in levels for path in entries(level)):
            if is_image_name(path.name):
                yield path, _named(path, subject.name, pipeline)


def _named(path: Path, subject: str, pipeline: str | None) -> Named | str:
    named = parse_name(path)
    if named is None:
        return "name is none of BIDS"
    sessions = [part for part in path.parts[-3:-1] if part.startswith("ses-")]
    session = named.entities.get("ses")
    elsewhere = session is not None and any(part != f"ses-{session}" for part in sessions)
    if f"sub-{named.entities['sub']}" != subject or elsewhere:
        return "in the folder of another subject or session"
    return Named(path, named.entities, named.suffix, named.source, pipeline)


def _is_subject(folder: Path) -> bool:
    return folder.name.startswith("sub-") and folder.is_dir()
