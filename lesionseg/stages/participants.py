"""Participants of a BIDS dataset, each predicted by itself, then tables and page over all.

Several runs may predict different participants into one folder at a time: each holds the folder of
the participant that it is at, `participants/sub-01`, where it leaves what the tables need to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.datasets.new_scans import NewScans
from lesionseg.errors import NoInputError, UsageError
from lesionseg.inference.bids import write_description
from lesionseg.inference.ensemble import Model
from lesionseg.inference.export_record import made_by, refuse_foreign
from lesionseg.stages.cohort_files import (
    withdraw_cohort_files,
    write_cohort_files,
    write_rejected,
)
from lesionseg.stages.prediction import Share, predict_each, told
from lesionseg.storage.json_file import write_json
from lesionseg.storage.lock import locked
from lesionseg.storage.provenance import read_record, withdraw
from lesionseg.wording import counted

FOLDER, RECORD = "participants", "participant.json"


def predict_participants(
    model: Model, found: NewScans, labels: Sequence[str], output: Path, save: Sequence[str]
) -> tuple[int, int]:
    """Predict the scans of each participant; tables over all, which were there, are withdrawn.

    labels: without "sub-"; empty: all participants. Returns how many scans are predicted and how
    many rejected. Raises UsageError for a label that the dataset has not, and as `predict_scans`.
    """
    num_done = num_rejected = 0
    by_participant = _by_participant(found)
    for name in _asked_for(by_participant, labels):
        part = by_participant[name]
        place = output / FOLDER / name
        with locked(place):
            refuse_foreign(output, [*(scan.case for scan in part.scans), *part.rejected])
            withdraw_cohort_files(output, part.scans, save)
            withdraw([place / RECORD])
            share = Share(model, part.scans)
            done, rejected = predict_each([share], output, save, unread=part.rejected)
            write_description(output)
            content = {
                "made_by": made_by(model),
                "said": told(done, rejected),
                "rejected": rejected,
            }
            write_json(place / RECORD, content)
        num_done, num_rejected = num_done + len(done), num_rejected + len(rejected)
    scans = counted(num_done, "scan")
    print(f"predicted {scans}, {num_rejected} rejected, in {output}; the level group makes tables")
    return num_done, num_rejected


def join_participants(model: Model, found: NewScans, output: Path, save: Sequence[str]) -> int:
    """Write tables and page over all participants that this model predicted; returns how many.

    Raises NoInputError where there is none, and as `predict_scans`.
    """
    with locked(output):
        records = _records(output, made_by(model))
        if not records:
            raise NoInputError(
                f"{output.name} holds no participant that this model predicted; run the level "
                "participant first"
            )
        said: dict[str, Sequence[str]] = {}
        rejected: dict[str, str] = {}
        for record in records:
            said |= record["said"]
            rejected |= record["rejected"]
        scans = [scan for scan in found.scans if scan.case in said]
        withdraw_cohort_files(output, scans, save)
        write_cohort_files(output, [model], scans, save, said)
        write_rejected(output, rejected)
    print(f"joined {counted(len(records), 'participant')}; tables and overview.html in {output}")
    return len(records)


def _by_participant(found: NewScans) -> dict[str, NewScans]:
    """The scans of each participant, by its name with "sub-"."""
    names = sorted({_participant(case) for case in (*_cases(found), *found.rejected)})
    return {
        name: NewScans(
            tuple(scan for scan in found.scans if _participant(scan.case) == name),
            {case: why for case, why in found.rejected.items() if _participant(case) == name},
        )
        for name in names
    }


def _cases(found: NewScans) -> list[str]:
    return [scan.case for scan in found.scans]


def _participant(case: str) -> str:
    """A case of BIDS begins with its subject."""
    return case.partition("_")[0]


def _asked_for(known: Mapping[str, NewScans], labels: Sequence[str]) -> list[str]:
    names = [f"sub-{label.removeprefix('sub-')}" for label in labels] or list(known)
    if absent := [name for name in names if name not in known]:
        raise UsageError(
            f"the dataset has no scans of {', '.join(absent)}; it has {', '.join(list(known)[:10])}"
            + (", ..." if len(known) > 10 else "")
        )
    return list(dict.fromkeys(names))


def _records(output: Path, made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the participants of this model left."""
    found = (read_record(path) for path in sorted((output / FOLDER).glob(f"sub-*/{RECORD}")))
    return [one for one in found if one is not None and one.get("made_by") == dict(made)]
