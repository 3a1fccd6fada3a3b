"""Path patterns with {fields}, like "{patient}/{session}/FLAIR.nii.gz", as data cards give them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.layouts.name_kinds import SAYS_NOTHING, kind_of
from lesionseg.datasets.layouts.scan_files import (
    SPLIT_WORDS,
    Layout,
    ScanFiles,
    Split,
    patient_of,
    scans_found,
    validation_words,
    whole,
)
from lesionseg.datasets.layouts.volume_walk import volume_places
from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.formats import suffix_of
from lesionseg.storage.safe_path import path_inside

FIELD = re.compile(r"\{([a-z_]+)\}")
OTHER_SPELLING = "written with other capitals or endings than the pattern"
OTHER_DEPTH = "named as the pattern says, in folders of another depth"
MOST_INNER = 4  # fields after the first of a name: each multiplies the ways to split the name


def read_patterns(
    root: Path,
    *,
    channels: Mapping[str, str],
    mask: str | None,
    raters: Mapping[str, str] | None = None,
    consensus: str = "majority",
    patient: str | None = None,
    masks: bool = True,
) -> Layout:
    """The scans whose paths under `root` fit patterns.

    channels: name -> pattern; the first one finds the scans. mask: theirs, or `raters`: name ->
    pattern, one mask each. Patterns of several depths stand in one text, separated by " | "; the
    n-th of each belong together. A scan's fields, joined by "_", are its case, or {case} alone;
    {patient} is its patient, else as in `patient_of`; {split}, train, val or test, is its part.
    masks: as in `whole`.
    Raises UsageError for a pattern that leaves the root or lacks fields, NoInputError for no scan.
    """
    root = Path(root)
    alternatives = [
        {role: _alternatives(text) for role, text in group.items()}
        for group in (channels, {"mask": mask} if mask else {}, raters or {})
    ]
    counts = {len(texts) for group in alternatives for texts in group.values()}
    if len(counts) > 1:
        raise UsageError(f"patterns have {sorted(counts)} alternatives; want as many for each file")
    found: list[ScanFiles] = []
    for n in range(counts.pop()):
        images, own, by_rater = (
            {role: texts[n] for role, texts in g.items()} for g in alternatives
        )
        found += _scans(root, images, own.get("mask"), by_rater, consensus, patient)
    if not found:
        first = next(iter(channels.values()))
        raise NoInputError(f"no file in {root.name} fits the pattern '{first}'")
    firsts = alternatives[0][next(iter(channels))]
    if not any(scan.split == "test" for scan in found):
        _refuse_lost_tests(root, firsts)
    scans, rejected = whole(root, found, tuple(channels), masks=masks)
    words = scans_found(f"path patterns ({next(iter(channels.values()))})", scans, rejected)
    parts = [fields.get("split", "") for text in firsts for fields in matches(root, text)]
    return Layout(
        scans,
        rejected,
        tuple(channels),
        found=words + validation_words(parts),
        masks=mask or ", ".join((raters or {}).values()),
        passed=_passed(root, [text for texts in alternatives[0].values() for text in texts]),
    )


def _refuse_lost_tests(root: Path, patterns: Sequence[str]) -> None:
    """UsageError where folders of test scans hold images and the pattern finds none of them."""
    for pattern in patterns:
        *folders, _ = pattern.split("/")
        level = next((n for n, part in enumerate(folders) if "{split}" in part), None)
        if level is None:
            continue
        before = [_expression(part) for part in folders[: level + 1]]
        for path in volume_places(root):
            place = path.relative_to(root).as_posix()
            match = re.match("/".join(before) + "/", place)
            if match and SPLIT_WORDS.get(match["split"].lower()) == "test":
                raise UsageError(
                    f"{place} lies among test scans and does not fit the pattern '{pattern}', nor "
                    "does any other; rename them, or move them away"
                )


def _passed(root: Path, patterns: Sequence[str]) -> dict[str, str]:
    """Why files that nearly fit a channel's pattern do not, by their places."""
    told = [pattern for pattern in patterns if FIELD.sub("", _stem(pattern)).strip("/_-")]
    loose = [re.compile(_expression(_stem(pattern)), re.IGNORECASE) for pattern in told]
    leaves = {_stem(pattern).rpartition("/")[2].lower() for pattern in patterns}
    leaves = {leaf for leaf in leaves if not FIELD.search(leaf)}
    reasons = {}
    for path in volume_places(root):
        place = path.relative_to(root).as_posix()
        if any(one.fullmatch(_stem(place)) for one in loose):
            reasons[place] = OTHER_SPELLING
        elif _stem(path.name).lower() in leaves:
            reasons[place] = OTHER_DEPTH
        elif kind_of(_stem(path.name)) == "other mask":
            reasons[place] = SAYS_NOTHING
    return reasons


def _stem(name: str) -> str:
    return name[: len(name) - len(suffix_of(name))]


def _alternatives(text: str) -> list[str]:
    return [part.strip() for part in text.split("|")]


def _scans(
    root: Path,
    channels: Mapping[str, str],
    mask: str | None,
    raters: Mapping[str, str],
    consensus: str,
    patient: str | None,
) -> Iterator[ScanFiles]:
    first = next(iter(channels.values()))
    names = list(dict.fromkeys(FIELD.findall(first)))
    if not names:
        raise UsageError(
            f"pattern '{first}' has no field; want for example '{{patient}}/FLAIR.nii.gz'"
        )
    for pattern in (*channels.values(), *([mask] if mask else []), *raters.values()):
        path_inside(root, pattern)
        if {"{", "}"} & set(FIELD.sub("", pattern)):
            raise UsageError(f"pattern '{pattern}' has braces that are no field, like {{patient}}")
        if "}{" in pattern:
            raise UsageError(f"pattern '{pattern}' has two fields with nothing between them")
        inner = sum(max(len(FIELD.findall(part)) - 1, 0) for part in pattern.split("/"))
        if inner > MOST_INNER:
            raise UsageError(
                f"pattern '{pattern}' has {inner} fields that do not begin a name, and could be "
                f"read in too many ways; want at most {MOST_INNER}"
            )
        if unknown := set(FIELD.findall(pattern)) - set(names):
            raise UsageError(f"pattern '{pattern}' has field {sorted(unknown)}; '{first}' has not")
    closer = _closer(first, [*channels.values(), *([mask] if mask else []), *raters.values()])
    for fields in matches(root, first):
        place = first.format(**fields)
        if any(pattern.fullmatch(place) for pattern in closer):
            continue
        split = _split(fields, first)
        path = root / mask.format(**fields) if mask else None
        if path is not None and split == "test" and not (path.exists() or path.is_symlink()):
            path = None  # the masks of test scans may be withheld
        case = fields.get("case") or "_".join(fields[n] for n in names if n != "split")
        yield ScanFiles(
            case,
            fields.get("patient") or patient_of(case, patient),
            split,
            tuple(root / pattern.format(**fields) for pattern in channels.values()),
            path,
            raters=tuple((name, root / text.format(**fields)) for name, text in raters.items()),
            consensus=consensus,
            group=fields.get("group", ""),
        )


def _closer(first: str, patterns: Sequence[str]) -> list[re.Pattern[str]]:
    """The patterns with more text of their own than the first: {case}_mask.nii beside {case}.nii.
    A file that fits one of them is of that kind, though it fits the first as well."""
    longer = [text for text in patterns if len(FIELD.sub("", text)) > len(FIELD.sub("", first))]
    return [re.compile(_expression(text)) for text in longer]


def _split(fields: Mapping[str, str], pattern: str) -> Split:
    word = fields.get("split", "train")
    if word.lower() not in SPLIT_WORDS:
        raise UsageError(f"pattern '{pattern}' finds {{split}} '{word}'; want train, val or test")
    return SPLIT_WORDS[word.lower()]


def matches(root: Path, pattern: str) -> Iterator[dict[str, str]]:
    """The fields of every file under root that fits a pattern, in order of their paths."""
    expression = _expression(pattern)
    *folders, name = _glob_escaped(pattern).split("/")
    if not FIELD.search(name) and name[0] != "[":
        name = f"[{name[0]}]{name[1:]}"  # a name without wildcards passes over links to nothing
    for path in sorted(root.glob(FIELD.sub("*", "/".join([*folders, name])))):
        if match := re.fullmatch(expression, path.relative_to(root).as_posix()):
            yield match.groupdict()


def _expression(pattern: str) -> str:
    """The regular expression of a pattern; a field that comes again must agree."""
    seen: set[str] = set()
    expression = ""
    for index, part in enumerate(FIELD.split(pattern)):
        if index % 2 == 0:
            expression += re.escape(part)
        elif part in seen:
            expression += f"(?P={part})"
        else:
            seen.add(part)
            expression += f"(?P<{part}>[^/]+)"
    return expression


def _glob_escaped(pattern: str) -> str:
    """The pattern's own stars and brackets taken literally."""
    return re.sub(r"([*?\[])", r"[\1]", pattern)
