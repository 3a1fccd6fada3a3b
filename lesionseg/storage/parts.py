"""A part of the cases of a stage, which one of several jobs does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lesionseg.errors import UsageError
from lesionseg.storage.hashes import sha256_of_json, sha256_of_text
from lesionseg.wording import counted

LISTS = "lists of cases"
SHOWN = 5  # cases in a message


def shard_of(patient: str, num_shards: int) -> int:
    """Which shard a patient's cases belong to, from 0: the same on every machine, whatever other
    patients there are."""
    return int(sha256_of_text(patient), 16) % num_shards


@dataclass(frozen=True)
class Part:
    """Either the patients of shard `shard` of `num_shards`, or the cases of a list."""

    shard: int = 0
    num_shards: int = 0
    cases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """In names of files."""
        if not self.cases:
            return f"{self.shard}-of-{self.num_shards}"
        return f"list-{sha256_of_json(sorted(self.cases))[:12]}"

    @property
    def words(self) -> str:
        """In messages."""
        if not self.cases:
            return f"shard {self.shard} of {self.num_shards}"
        return f"the list of {counted(len(self.cases), 'case')} with {min(self.cases)}"

    @property
    def division(self) -> str:
        """How the cases are divided, of which this is a part."""
        return LISTS if self.cases else counted(self.num_shards, "shard")

    def chosen(self, patients: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """The cases of this part, in their order. patients: (case, patient) of all.

        Raises UsageError for a list that names a case twice, or one that there is not.
        """
        if not self.cases:
            return tuple(c for c, p in patients if shard_of(p, self.num_shards) == self.shard)
        known = [case for case, _ in patients]
        if absent := [case for case in self.cases if case not in set(known)]:
            raise UsageError(f"cases names {absent[0]}, which is no case here; {_known(known)}")
        if len(set(self.cases)) < len(self.cases):
            raise UsageError("cases names a case twice; name each once")
        return tuple(case for case in known if case in set(self.cases))


def _known(names: Sequence[str]) -> str:
    return f"known: {', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}"
