"""A job that does a part of the cases of an output folder, beside others; the last one finishes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from lesionseg.errors import EXIT_SOME_REJECTED, LockedError
from lesionseg.settings.shards import Shards, ShardsOrCases
from lesionseg.storage.lock import clear_parts, part_locked, parts_at_work, parts_locked
from lesionseg.storage.part_records import (
    PartRecord,
    account,
    lacking,
    read_part_records,
    refuse_unlike,
    withdraw_part_records,
    write_part_record,
)
from lesionseg.storage.parts import Part
from lesionseg.wording import counted

Told: TypeAlias = Mapping[str, Mapping[str, Any]]  # done, rejected -> case -> plain data
REJECTED = "rejected"


def part_of(settings: Shards) -> Part | None:
    """The part of the cases that the settings ask for; None for all of them."""
    if isinstance(settings, ShardsOrCases) and settings.cases:
        return Part(cases=tuple(settings.cases))
    if settings.shard is None or settings.num_shards is None:
        return None
    return Part(settings.shard, settings.num_shards)


def run_part(
    output: Path,
    record: PartRecord,
    cohort: Sequence[str],
    *,
    begin: Callable[[], None],
    work: Callable[[], Told],
    finish: Callable[[Sequence[PartRecord]], int] | None,
) -> int:
    """Do a part of the cases and, where that was the last, finish; return the exit code.

    cohort: all cases. begin: takes away what is there of all cases. work: does those of the part.
    finish: writes what is made of all cases and returns the exit code of all; None where somebody
    else does that. Raises LockedError where another job does this part or a run of all cases is at
    work, UsageError where other jobs of the folder do not fit to this one.
    """
    with _joined(output, record, begin):
        told = work()
        with parts_locked(output):
            write_part_record(output, dataclasses.replace(record, told=told, has_ended=True))
            records = read_part_records(output, record.stage)
            words = lacking(records, cohort)
            if finish is not None and not words:
                return finish_parts(output, records, cohort, finish)
    rejected = len(told.get(REJECTED, {}))
    _say(record, rejected, words)
    return EXIT_SOME_REJECTED if rejected else 0


def finish_parts(
    output: Path,
    records: Sequence[PartRecord],
    cohort: Sequence[str],
    finish: Callable[[Sequence[PartRecord]], int],
) -> int:
    """Account for every case, and write what is made of all of them, while `parts_locked`.

    Raises UsageError where a case is missing or done twice, or jobs do not fit to each other.
    """
    account(output, records, cohort)
    clear_parts(output)
    return finish(records)


def forget_jobs(output: Path, stage: str) -> None:
    """Forget the jobs of a stage. Raises LockedError where one is at work."""
    with parts_locked(output):
        if at_work := parts_at_work(output):
            raise LockedError(
                f"shard {at_work[0]} of output {output.name} is being written by another job; wait "
                "for it, or give another output"
            )
        withdraw_part_records(output, stage)


def told_of_all(records: Sequence[PartRecord], kind: str, order: Sequence[str]) -> dict[str, Any]:
    """What all jobs told of their cases, in the order of all cases."""
    found = {case: told for one in records for case, told in one.told.get(kind, {}).items()}
    return {case: found[case] for case in order if case in found}


@contextlib.contextmanager
def _joined(output: Path, record: PartRecord, begin: Callable[[], None]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        with parts_locked(output):
            stack.enter_context(part_locked(output, record.part.name, record.part.words))
            refuse_unlike(output, record, read_part_records(output, record.stage))
            write_part_record(output, record)
            begin()
        yield


def _say(record: PartRecord, rejected: int, words: str) -> None:
    done = counted(len(record.cases), "case")
    more = f", {rejected} rejected" if rejected else ""
    print(f"{record.part.words}: {done}{more}")
    if words:
        print(f"{record.stage}: {words} yet", file=sys.stderr)
