"""OUTPUT/shards/: a record of each job that does a part of the cases, and what they prove together.

A job writes its record when it begins, with the cases that it has to do, and again when it has done
them all. The outputs of all cases are written only from records that fit each other and in which
every case stands once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lesionseg import __version__
from lesionseg.errors import UsageError
from lesionseg.storage.atomic import write_text
from lesionseg.storage.parts import SHOWN, Part
from lesionseg.storage.provenance import (
    MadeFrom,
    changed_parts,
    read_record,
    recorded_parts,
    withdraw,
)
from lesionseg.wording import counted

FOLDER = "shards"
FORMAT = 1


@dataclass(frozen=True)
class PartRecord:
    """What a job says of itself.

    stage: what it does with its cases. made_from: what shapes the outputs, the same for all jobs.
    settings, folder: of the command, and where it was run. cases: that it has to do. told: of each
    case that is done or rejected, plain data. has_ended: all of them are.
    """

    stage: str
    part: Part
    made_from: MadeFrom
    cases: tuple[str, ...]
    settings: Mapping[str, Any]
    folder: str
    told: Mapping[str, Any] = field(default_factory=dict)
    has_ended: bool = False
    version: str = __version__


def write_part_record(output: Path, record: PartRecord) -> None:
    """Write the record of a job. Raises OutputError."""
    content = {
        "format": FORMAT,
        "stage": record.stage,
        "part": {
            "shard": record.part.shard,
            "num_shards": record.part.num_shards,
            "cases": list(record.part.cases),
        },
        "version": record.version,
        "made_from": dict(record.made_from),
        "cases": list(record.cases),
        "settings": dict(record.settings),
        "folder": record.folder,
        "has_ended": record.has_ended,
        "told": dict(record.told),
    }
    write_text(_path(output, record.stage, record.part), json.dumps(content, indent=1) + "\n")


def read_part_records(output: Path, stage: str) -> list[PartRecord]:
    """The records of a stage's jobs, by shard. Raises UsageError for one that cannot be read."""
    found = [_read(path) for path in sorted(Path(output, FOLDER).glob(f"{stage}_*.json"))]
    return sorted(found, key=lambda one: (one.part.shard, one.part.name))


def withdraw_part_records(output: Path, *stages: str) -> None:
    """Forget the jobs of stages, as a run of all cases does. Raises OutputError."""
    folder = Path(output, FOLDER)
    withdraw(path for stage in stages for path in sorted(folder.glob(f"{stage}_*.json")))


def refuse_unlike(output: Path, own: PartRecord, others: Sequence[PartRecord]) -> None:
    """Raise UsageError where other jobs divide the cases otherwise, were made from something else,
    or do a case of this one."""
    anew = f"use the same for all, or delete {Path(output).name}/{FOLDER} to begin anew"
    for other in others:
        if other.part == own.part:
            continue
        if other.part.division != own.part.division:
            raise UsageError(
                f"output {Path(output).name} is divided into {other.part.division}, not "
                f"{own.part.division}; {anew}"
            )
        if changed := changed_parts(own.made_from, other.made_from):
            versions = f" ({other.version}, not {own.version})" if "version" in changed else ""
            raise UsageError(
                f"{' and '.join(changed)}{versions} of {other.part.words} of output "
                f"{Path(output).name} differ from those of {own.part.words}; {anew}"
            )
        if both := set(own.cases) & set(other.cases):
            raise UsageError(
                f"case {min(both)} is done by both {other.part.words} and {own.part.words}; {anew}"
            )


def lacking(records: Sequence[PartRecord], cohort: Sequence[str]) -> str:
    """What is still to be done before all outputs can be written, in words; "" for nothing.

    cohort: all cases. records: at least one, which fit each other.
    """
    late = [one.part.words for one in records if not one.has_ended]
    num_shards = records[0].part.num_shards
    there = {one.part.shard for one in records}
    late += [Part(shard, num_shards).words for shard in range(num_shards) if shard not in there]
    if late:
        return f"{_some(late)} did not end"
    done = {case for one in records for case in one.cases}
    missing = [case for case in cohort if case not in done]
    return f"no job does {_some([f'case {case}' for case in missing])}" if missing else ""


def account(output: Path, records: Sequence[PartRecord], cohort: Sequence[str]) -> None:
    """Raise UsageError unless the jobs fit each other and did every case of the cohort once, and
    nothing else."""
    name = Path(output).name
    for number, one in enumerate(records):
        refuse_unlike(output, one, records[:number])
    if words := lacking(records, cohort):
        raise UsageError(f"output {name} is not complete: {words}; run what is missing first")
    for one in records:
        if other := set(one.cases) - set(cohort):
            raise UsageError(
                f"case {min(other)} of {one.part.words} is not among the cases of output {name}; "
                f"delete {name}/{FOLDER} and run all again"
            )
        if untold := set(one.cases) - {case for told in one.told.values() for case in told}:
            raise UsageError(
                f"{one.part.words} of output {name} says nothing of case {min(untold)}; run it "
                "again"
            )


def _read(path: Path) -> PartRecord:
    content = read_record(path) or {}
    try:
        if content["format"] != FORMAT:
            raise ValueError("another format")
        place = content["part"]
        part = Part(int(place["shard"]), int(place["num_shards"]), tuple(place["cases"]))
        made_from = recorded_parts(content)
        assert made_from is not None
        return PartRecord(
            stage=str(content["stage"]),
            part=part,
            made_from=made_from,
            cases=tuple(map(str, content["cases"])),
            settings=dict(content["settings"]),
            folder=str(content["folder"]),
            told={kind: dict(told) for kind, told in content["told"].items()},
            has_ended=content["has_ended"] is True,
            version=str(content["version"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise UsageError(
            f"{FOLDER}/{path.name} cannot be read or is of another version; delete it and run that "
            "part again"
        ) from error


def _path(output: Path, stage: str, part: Part) -> Path:
    return Path(output, FOLDER, f"{stage}_{part.name}.json")


def _some(words: Sequence[str]) -> str:
    more = f" and {counted(len(words) - SHOWN, 'more')}" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
