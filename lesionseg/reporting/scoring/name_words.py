"""The words of a file's name: which say what kind of file it is, and which say of whom and when."""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK_WORDS = frozenset(
    (
        *("mask", "masks", "seg", "segmentation", "dseg", "probseg", "label", "labels"),
        *("lesion", "lesions", "pred", "prediction", "gt", "reference", "ref", "manual"),
        *("consensus", "groundtruth", "prob", "probability", "probabilities", "softmax"),
    )
)
IMAGE_WORDS = frozenset(
    (
        *("flair", "t1", "t1w", "t1c", "t1gd", "t1ce", "t2", "t2w", "pd", "ct", "adc", "dwi"),
        *("swi", "bold"),
    )
)
# BIDS entities that say how a file was made, not of whom or when
ENTITY_OF_FILE = re.compile(r"(space|desc|label|res|den|acq|rec|dir|echo|part|hemi)-.*")
ENTITY = re.compile(
    r"(sub|ses|run|task|ce|mod|chunk|atlas|split|proc|sample|space|desc|label|res|den|acq|rec|dir|"
    r"echo|part|hemi)-[a-z0-9+]+"
)
SEPARATORS = r"[_.\s]+"
NUMBERED = re.compile(r"([a-z]+-?)0*(\d+)")
ALL_NUMBERED = re.compile(r"(?:[a-z]+-?\d+)+")  # p1, p1v2
VISIT = re.compile(r"baseline|bl\d*|pre|post|fu\d*|followup\d*|train|test|val|validation")


def is_role(word: str) -> bool:
    """Whether a word, in small letters, may say what kind of file it is: "mask", "t1", "space-x".

    T1 and T2 may be time points as well: who leaves such words out has to see that all names of a
    folder stay different.
    """
    return word in MASK_WORDS or word in IMAGE_WORDS or bool(ENTITY_OF_FILE.fullmatch(word))


def words(name: str) -> tuple[str, ...]:
    """The different words of a relative path without ending, in small letters, in order.

    "P1/P1_T2/P1_T2_MASK" gives p1, t2, mask. Hyphens part words too, but for those of BIDS
    entities: "sub-01" is one word.
    """
    found: list[str] = []
    for part in re.split(r"[/_.\s]+", name.lower()):
        found += [part] if ENTITY.fullmatch(part) else part.split("-")
    return tuple(dict.fromkeys(word for word in found if word))


def added_words(name: str, other: str) -> set[str]:
    """Words of the other file's own name that the name lacks, in small letters, without those that
    say what kind of file or which visit it is: "failed" of P0 and P0_failed_seg."""
    small, stem = name.rpartition("/")[2].lower(), other.rpartition("/")[2].lower()
    whole = re.search(rf"(?<![a-z0-9]){re.escape(small)}(?![a-z0-9])", stem)
    rest = f"{stem[: whole.start()]} {stem[whole.end() :]}" if whole else stem.replace(small, " ")
    known = {*words(name), ""}
    return {
        word
        for word in words(rest)
        if word not in known
        and not (is_role(word) or ENTITY.fullmatch(word) or VISIT.fullmatch(word))
    }


def contradict(one: str, other: str) -> bool:
    """Whether two names have different numbers for the same word, P1_T1 and P1_T2, or are of
    different visits, P1_pre and P1_post, or dates.

    Only words count that the other name does not hold; nothing contradicts where one name holds the
    whole of the other, unless what it lacks is a visit.
    """
    mine, theirs = set(words(one)), set(words(other))
    mine, theirs = mine - theirs, theirs - mine
    visits = [{word for word in side if VISIT.fullmatch(word)} for side in (mine, theirs)]
    if all(visits) and visits[0] != visits[1]:
        return True
    if one.lower() in other.lower() or other.lower() in one.lower():
        return False
    plain = [{word for word in side if word.isdigit()} for side in (mine, theirs)]
    if all(plain) and {*map(int, plain[0])} != {*map(int, plain[1])}:
        return True
    numbers = [
        {
            m[1]: m[2]
            for word in side
            if ALL_NUMBERED.fullmatch(word)
            for m in NUMBERED.finditer(word)
        }
        for side in (mine, theirs)
    ]
    return any(numbers[1].get(stem, number) != number for stem, number in numbers[0].items())


def cores(names: Sequence[str]) -> dict[str, str]:
    """Each name without what all of them begin and end with, in small letters; no number is cut."""
    small = [name.lower() for name in names]
    start = _common(small)
    rest = [name[start:] for name in small]
    end = _common([name[::-1] for name in rest])
    return {name: left[: len(left) - end] for name, left in zip(names, rest)}


def _common(names: Sequence[str]) -> int:
    """How many first letters are the same in all names, less those of a number that goes on."""
    shortest = min(names, key=len)
    length = next(
        (i for i, letter in enumerate(shortest) if any(name[i] != letter for name in names)),
        len(shortest),
    )
    while (
        length
        and shortest[length - 1].isdigit()
        and any(name[length : length + 1].isdigit() for name in names)
    ):
        length -= 1
    return length


def case_names(names: Sequence[str]) -> dict[str, str]:
    """A short name of each case, by its relative path without ending; all are different.

    The file's own name, or where folders alone tell the cases apart, the folders' names before it.
    Last words that say what kind of file it is are left out as long as all names stay different.
    """
    own = {name: name.rpartition("/")[2] for name in names}
    if len({one.lower() for one in own.values()}) < len(names):
        own = _with_folders(names)
    while True:
        shorter = {name: _without_role(one) for name, one in own.items()}
        if shorter == own or len({one.lower() for one in shorter.values()}) < len(names):
            return own
        own = shorter


def _with_folders(names: Sequence[str]) -> dict[str, str]:
    """The parts of each path that are not the same in all, the file's own name last."""
    paths = {name: name.split("/") for name in names}
    depth = min(map(len, paths.values()))
    same = {i for i in range(depth - 1) if len({parts[i] for parts in paths.values()}) == 1}
    made = {
        name: "_".join(dict.fromkeys(part for i, part in enumerate(parts) if i not in same))
        for name, parts in paths.items()
    }
    if len({one.lower() for one in made.values()}) == len(names):
        return made
    return {name: name.replace("/", "_") for name in names}


def _without_role(name: str) -> str:
    match = re.fullmatch(rf"(.*[^_.\s]){SEPARATORS}([^_.\s]+)", name, re.DOTALL)
    return match[1] if match and is_role(match[2].lower()) else name
