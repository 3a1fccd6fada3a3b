"""Path patterns for a folder that has no other layout, guessed from the names of its files.

First the images that most scans have give the fields of each scan; then each other file in whose
path those values stand is a channel, a mask, or neither, by what the rest of its path says.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.centres import centre_folders
from lesionseg.datasets.layouts.mask_patterns import lesion_mask, named_mask
from lesionseg.datasets.layouts.name_kinds import holds_masks, is_mask_of, kind_of, words_of
from lesionseg.datasets.layouts.pattern_kinds import pattern_kinds
from lesionseg.datasets.layouts.patterns import FIELD, matches
from lesionseg.datasets.layouts.scan_files import SPLIT_WORDS
from lesionseg.datasets.layouts.sessions_in_names import with_sessions
from lesionseg.datasets.layouts.volume_walk import volume_places
from lesionseg.io.formats import strip_suffix, suffix_of

USUAL = 0.6  # a file that this share of the scans has is a channel
NUM_FIELDS = {0: (), 1: ("patient",), 2: ("patient", "session"), 3: ("group", "patient", "session")}
CONTAINERS = {"image", "img", "scan", "volume", "raw", "rawdata", "derivative", "preprocessed"}
VERSIONS = {"raw", "rawdata", "preprocessed"}
PARTS = re.compile(r"(?P<what>images|labels)(?P<part>Tr|Ts)")  # nnU-Net's folders
SEPARATOR = re.compile(r"([_\-\s]+)")
WITHIN = r"(?<![A-Za-z0-9{{]){}(?![A-Za-z0-9}}])"  # a value that is no part of a longer word

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Guess:
    """Patterns of the channels by name, and of the lesion masks, None where no mask was seen."""

    channels: Mapping[str, str]
    mask: str | None


def guess_patterns(root: Path, mask: str | None = None) -> Guess | None:
    """Patterns of like-named images, None where no name recurs.

    mask: the pattern of the masks or the name of their files, where it is known. Raises UsageError
    where files may be masks of lesions and none, or several, say so by name.
    """
    places = [path.relative_to(root).as_posix() for path in volume_places(root)]
    places = [place for place in places if not {"{", "}"} & set(place)]
    first = _first_pattern(places)
    if first is None:
        return None
    known = frozenset(places)
    scans = [one for one in matches(root, first) if not is_mask_of(first.format(**one), known)]
    if first.endswith("/{study}") and len({fields["patient"] for fields in scans}) < len(scans):
        return None  # series of any kind, told apart by numbers alone
    found = _patterns_beside(places, first, scans)
    kinds = pattern_kinds(found)
    usual = [pattern for pattern in found if len(found[pattern]) >= USUAL * len(scans)]
    if mask is not None:
        lesions: str | None = named_mask(root, mask, found)
    else:
        lesions = lesion_mask(root, first, found, kinds)
    images = [pattern for pattern in sorted(usual) if kinds[pattern] == "image"]
    images = [pattern for pattern in images if not _other_version(pattern, first)]
    if first not in images:
        images = [first, *images]
    if lesions is None and (kinds.get(first) != "image" and "/" not in first):
        return None  # any two files of a folder would do
    channels = _named([pattern for pattern in images if pattern != lesions])
    return Guess(channels, lesions) if channels else None


def _first_pattern(places: Sequence[str]) -> str | None:
    """The pattern of images, or else of files that say nothing, that finds most scans."""
    by_depth: dict[int, list[str]] = defaultdict(list)
    for place in places:
        by_depth[place.count("/")].append(place)
    counts: Counter[str] = Counter()
    for depth, group in by_depth.items():
        images = [place for place in group if not any(map(holds_masks, place.split("/")[:-1]))]
        levels = [{place.split("/")[level] for place in images} for level in range(depth)]
        last = Counter(SEPARATOR.split(strip_suffix(place))[-1] for place in group)
        common = {word for word, count in last.items() if count > 1}
        made = {place: _folders(place, levels) for place in group}
        centres = centre_folders([_values(place, made[place]) for place in group])
        found = with_sessions(
            {place: _pattern(place, made[place], centres, common) for place in group}
        )
        alone = Counter(pattern for pattern in found.values() if pattern)
        counts.update(
            pattern if alone[pattern] > 1 else _with_study(pattern)
            for pattern in found.values()
            if pattern
        )
    kinds = pattern_kinds(counts)
    for kind in ("image", "unknown"):
        several = [p for p in counts if counts[p] > 1 and kinds[p] == kind]
        if several:
            return min(several, key=lambda pattern: (-counts[pattern], pattern))
    return None


def _pattern(
    place: str, made: Sequence[str | None], centres: Container[str], common: Container[str]
) -> str | None:
    """A place with its folders as fields, but those that say what lies in them or are all one.

    None where it holds no more than names of kinds. made: as of `_folders`. common: as of
    `_with_case`.
    """
    values_of = _values(place, made)
    fields = NUM_FIELDS.get(len(values_of))
    if fields is None:
        return None
    if len(values_of) == 2 and values_of[0] in centres:
        fields = ("group", "patient")
    values = dict(zip(fields, values_of))
    left = list(fields)
    names = [f"{{{left.pop(0)}}}" if name is None else name for name in made]
    leaf = place.rpartition("/")[2]
    made_leaf = _with_fields(leaf, values) if "patient" in values else _with_case(leaf, common)
    return None if made_leaf is None else "/".join([*names, made_leaf])


def _folders(place: str, levels: Sequence[set[str]]) -> list[str | None]:
    """What stands for each folder of a place; levels: the names of the folders at each depth."""
    *folders, leaf = place.split("/")
    return [_folder(name, levels[n], leaf) for n, name in enumerate(folders)]


def _values(place: str, made: Sequence[str | None]) -> list[str]:
    """The folders of a place that are fields."""
    return [folder for name, folder in zip(made, place.split("/")) if name is None]


def _folder(name: str, others: set[str], leaf: str) -> str | None:
    """What stands for a folder in a pattern: its name, {split}, or None for a field."""
    if match := PARTS.fullmatch(name):
        return f"{match['what']}{{split}}"
    if name.lower() in SPLIT_WORDS:
        return "{split}"
    if len(others) == 1 or CONTAINERS & set(words_of(name)):
        return name
    own = re.compile(WITHIN.format(re.escape(name)), re.IGNORECASE)
    rest = own.sub("", strip_suffix(leaf), count=1)
    of_a_kind = kind_of(name) == "image" and kind_of(rest) == "unknown"
    return name if holds_masks(name) or of_a_kind else None


def _with_fields(text: str, values: Fields) -> str:
    """The text with the values of fields as these, longer ones first."""
    for field, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = re.sub(WITHIN.format(re.escape(value)), f"{{{field}}}", text, count=1)
    return text


def _with_study(pattern: str) -> str:
    """A name found once, with what has digits in it, and is no kind of image, as a field."""
    *folders, leaf = pattern.split("/")
    if "{patient}" not in folders:
        return pattern
    ending = suffix_of(leaf)
    parts = SEPARATOR.split(leaf[: len(leaf) - len(ending)])
    wild = [n for n, part in enumerate(parts) if re.search(r"\d", part) and _says_nothing(part)]
    if wild:
        parts[wild[0] : wild[-1] + 1] = ["{study}"]
    return "/".join([*folders, "".join(parts) + ending])


def _with_case(leaf: str, common: Container[str]) -> str | None:
    """A name with all but the words for its kind, at its start and end, as the field {case}; None
    where no word is left. common: last words that many names share."""
    ending = suffix_of(leaf)
    parts = SEPARATOR.split(leaf[: len(leaf) - len(ending)])
    numbered = len(parts) > 2 and _is_numbered_disease(parts[0])
    if not numbered and not any(map(_says_nothing, parts[::2])):
        return None
    start, stop = 0, len(parts)
    told: set[str] = set()
    while stop - start > 2 and _is_of_kind(parts[stop - 1], common, told):
        told.add(kind_of(parts[stop - 1]))
        stop -= 2
    while stop - start > 2 and not numbered and not _says_nothing(parts[start]):
        start += 2
    if stop == len(parts) > 2 and re.fullmatch(r"00\d\d", parts[-1]):
        stop -= 2  # the channel number of nnU-Net
    return "".join([*parts[:start], "{case}", *parts[stop:], ending])


def _is_of_kind(word: str, common: Container[str], told: Container[str]) -> bool:
    """Whether a last word says what a file is; of P1_T1_flair, T1 is a visit."""
    visit = "image" in told or "lesion" in told or "mask" in told
    if visit and re.fullmatch(r"[tT]\d", word):
        return False
    return not _says_nothing(word) or (word in common and not re.search(r"\d", word))


def _is_numbered_disease(word: str) -> bool:
    """Whether a first word names a patient: the stroke01 of stroke01_flair."""
    return kind_of(word) == "lesion" and re.search(r"[a-z]\d+$", word, re.IGNORECASE) is not None


def _says_nothing(word: str) -> bool:
    return "{" not in word and kind_of(word) == "unknown"


def _patterns_beside(
    places: Sequence[str], first: str, scans: Sequence[Fields]
) -> dict[str, set[int]]:
    """Pattern -> numbers of the scans that have such a file, for all files beside the first."""
    index: dict[str, list[int]] = defaultdict(list)
    for number, fields in enumerate(scans):
        index[fields.get("patient") or fields.get("case") or ""].append(number)
    found: dict[str, set[int]] = defaultdict(set)
    for place in places:
        numbers = {n for text in _texts(place) for n in index.get(text, ())}
        made = {number: _as_pattern(place, scans[number]) for number in sorted(numbers)}
        most = max((len(FIELD.findall(pattern)) for pattern in made.values()), default=0)
        for number, pattern in made.items():
            if len(FIELD.findall(pattern)) == most and pattern.format(**scans[number]) == place:
                found[pattern].add(number)
    return dict(found)


def _as_pattern(place: str, fields: Fields) -> str:
    named = {name: value for name, value in fields.items() if name != "split"}
    made = []
    for part in place.split("/"):
        match = PARTS.fullmatch(part)
        if match and fields.get("split") == match["part"]:
            made.append(f"{match['what']}{{split}}")
        elif part == fields.get("split"):
            made.append("{split}")
        else:
            made.append(_with_fields(part, named))
    return "/".join(made)


def _texts(place: str) -> Iterator[str]:
    """Every run of words in the parts of a place: where a value of a field may stand."""
    for part in place.split("/"):
        yield part
        words = re.split(r"([_\-\s.]+)", part)
        for start in range(0, len(words), 2):
            for stop in range(start + 1, len(words) + 1, 2):
                yield "".join(words[start:stop])


def _other_version(pattern: str, first: str) -> bool:
    """Whether images lie in another of the folders raw and preprocessed than the first."""
    one, other = (set(words_of(text.rpartition("/")[0])) & VERSIONS for text in (pattern, first))
    return one != other


def _named(patterns: Sequence[str]) -> dict[str, str]:
    """A short name for each channel, by what its pattern says."""
    named: dict[str, str] = {}
    for pattern in patterns:
        *folders, leaf = pattern.split("/")
        leaf = leaf[: len(leaf) - len(suffix_of(leaf))]
        name = re.sub(r"\{[a-z]+\}[_\-\s]?", "", leaf).strip("_- ")
        if re.fullmatch(r"\d{4}", name):
            name = f"channel_{name}"
        literal = [FIELD.sub("", folder).strip("_- ") for folder in folders]
        name = name or next((text for text in reversed(literal) if text), "image")
        while name in named:
            name += "_2"
        named[name] = pattern
    return named
