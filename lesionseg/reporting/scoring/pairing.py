"""Which file of one folder belongs to which of another, by their names: one to one, or not at all.

A name is a path below the folder without the file's ending. Each rule is tried on what those before
it left over:

1. The names are equal.
2. One side has the names of the other, each with the same letters before and behind it; or what all
   names of a folder begin and end with is left out, and the rest are the same on both sides.
3. The words that tell the references apart (P1, T2, ses-01) are those of the other name.
4. The words that tell the other files apart are those of the reference, and leave all references
   different: predictions P1, P2 of the only visit, whatever it is called.

Under rules 2 to 4 names that contradict each other (T1, T2) never belong together. A word that
says neither what kind of file nor which visit it is (fold1, failed) may be in the names of one side
only, and there in all of them: P0_failed is not taken for P0, nor siteB-1 for siteA-1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from lesionseg.reporting.scoring.name_words import (
    MASK_WORDS,
    added_words,
    contradict,
    cores,
    is_role,
    words,
)

Key = Callable[[str], object]


@dataclass(frozen=True)
class Pairs:
    """partner: reference name -> the other name. doubtful: reference name -> all that fit, where
    several fit equally. left_out: words in all names of one side that were not looked at."""

    partner: Mapping[str, str]
    doubtful: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()


def pair_names(
    references: Sequence[str], others: Sequence[str], *, any_of_several: bool = False
) -> Pairs:
    """Pair the names of two folders one to one.

    any_of_several: of several files that fit a reference equally the first by name is taken, as
    where they are channels of one scan.
    """
    partner: dict[str, str] = {}
    for key in (str, str.lower):
        partner |= _equal(_left(references, partner), _left(others, partner.values()), key)
    if len(references) == len(others) > 1:
        whole = _affixed(references, others) or {
            name: other for other, name in _affixed(others, references).items()
        }
        whole = whole or _same_cores(references, others)
        used = set(partner.values())
        partner |= {n: o for n, o in whole.items() if n not in partner and o not in used}
    doubtful: dict[str, tuple[str, ...]] = {}
    for apart, needs_all_different in ((references, False), (others, True)):
        key_of = _key_of(_telling_words(apart))
        keys = Counter(map(key_of, references))
        if needs_all_different and max(keys.values(), default=0) > 1:
            break
        free = _left(others, partner.values())
        for name in _left(references, partner):
            if not key_of(name) or keys[key_of(name)] > 1:
                continue
            fitting = [o for o in free if key_of(o) == key_of(name) and not contradict(name, o)]
            if not any_of_several:  # images may be called by anything they show
                fitting = [o for o in fitting if _same_case(name, o, others)]
            fitting = _nearest(name, fitting)
            if len(fitting) == 1 or (fitting and any_of_several):
                partner[name] = min(fitting)
            elif fitting:
                doubtful[name] = tuple(sorted(fitting))
    sides = [pair for name, other in partner.items() for pair in ((name, other), (other, name))]
    left_out = set[str]().union(*(added_words(*pair) for pair in sides))
    return Pairs(
        partner,
        {name: fit for name, fit in doubtful.items() if name not in partner},
        tuple(sorted(left_out)),
    )


def _same_case(name: str, other: str, others: Sequence[str]) -> bool:
    """Whether what the other name has more is in all names of its folder, and in one side alone."""
    added = added_words(name, other)
    if not added:
        return True
    if added_words(other, name) or len(others) < 2:
        return False
    stems = [one.rpartition("/")[2].lower() for one in others]
    return all(word in stem for word in added for stem in stems)


def _left(names: Sequence[str], taken: Collection[str]) -> list[str]:
    gone = set(taken)
    return [name for name in names if name not in gone]


def _equal(references: Sequence[str], others: Sequence[str], key: Key) -> dict[str, str]:
    """Pairs of names whose keys are the same; each key is that of one name on either side."""
    sides = []
    for names in (references, others):
        keys = Counter(map(key, names))
        sides.append({key(name): name for name in names if keys[key(name)] == 1})
    return {name: sides[1][one] for one, name in sides[0].items() if one in sides[1]}


def _affixed(names: Sequence[str], longer: Sequence[str]) -> dict[str, str]:
    """Pairs where the longer names are the others with the same letters before and behind each.

    Letters that would make one number of two are none: P1 is not P11.
    """
    small = {name.lower(): name for name in names}
    wanted = {name.lower(): name for name in longer}
    if len(small) < len(names) or len(wanted) < len(longer):
        return {}
    first, shortest = min(small, key=len), min(map(len, wanted))
    for other in (one for one in wanted if len(one) == shortest):
        for start in range(len(other) - len(first) + 1):
            before, after = other[:start], other[start + len(first) :]
            made = {f"{before}{one}{after}": name for one, name in small.items()}
            glued = any(
                (before[-1:].isdigit() and one[0].isdigit())
                or (after[:1].isdigit() and one[-1].isdigit())
                for one in small
            )
            if not glued and made.keys() == wanted.keys():
                return {name: wanted[one] for one, name in made.items()}
    return {}


def _same_cores(references: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Pairs by what differs within each folder, where both folders hold just the same of that."""
    mine, theirs = cores(references), cores(others)
    if len(set(mine.values())) < len(mine) or set(mine.values()) != set(theirs.values()):
        return {}
    by_core = {core: name for name, core in theirs.items()}
    return {
        name: by_core[core]
        for name, core in mine.items()
        if not contradict(name, by_core[core]) and _same_case(name, by_core[core], others)
    }


def _telling_words(names: Sequence[str]) -> frozenset[str]:
    """The words that tell these names apart, without those for masks where it does without."""
    all_words: list[set[str]] = [set(words(name)) for name in names]
    if not all_words:
        return frozenset()
    if len(all_words) == 1:
        return frozenset(word for word in all_words[0] if not is_role(word))
    telling = frozenset[str]().union(*all_words) - all_words[0].intersection(*all_words)
    fewer = telling - MASK_WORDS
    num_different = [len(set(map(_key_of(some), names))) for some in (telling, fewer)]
    return fewer if num_different[0] == num_different[1] else telling


def _key_of(telling: frozenset[str]) -> Callable[[str], tuple[str, ...]]:
    return lambda name: tuple(word for word in words(name) if word in telling)


def _nearest(name: str, fitting: Sequence[str]) -> list[str]:
    """Those that have most words in common with the name, words for masks aside."""
    mine = set(words(name)) - MASK_WORDS
    common = {other: len(mine & set(words(other))) for other in fitting}
    return [other for other in fitting if common[other] == max(common.values())]
