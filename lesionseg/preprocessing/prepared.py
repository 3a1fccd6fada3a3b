"""preprocess.json: which plan, splits and stored cases belong together. Written last.

The record is taken away before anything else is changed, so a folder without it is one whose
preprocessing was refused or did not end, and whose files may be of several attempts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.splits import Splits, read_splits
from lesionseg.errors import UsageError
from lesionseg.io.case_store import open_case, stored_key
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import read_plan
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.provenance import (
    changed_parts,
    made_from,
    read_record,
    recorded_parts,
    withdraw,
)
from lesionseg.structures import Case

NAME = "preprocess.json"
FORMAT = 1


@dataclass(frozen=True)
class Prepared:
    """Finished preprocessing. case_keys: of each stored case, what it was made from."""

    folder: Path
    plan: Plan
    splits: Splits
    case_keys: Mapping[str, str]

    def open(self, names: Iterable[str]) -> list[Case]:
        """Stored cases. Raises CaseError for one that is absent, damaged or of another attempt."""
        return [open_case(self.folder, name, key=self.case_keys.get(name, "")) for name in names]

    def content_sha256(self, names: Iterable[str]) -> str:
        """Of all that these cases were made from."""
        return sha256_of_json({name: self.case_keys[name] for name in names})


def withdraw_prepared(folder: Path) -> None:
    """Say that preprocessing has begun anew. Raises OutputError."""
    withdraw([folder / NAME, folder / "splits.json"])


def write_prepared(folder: Path, plan: Plan, splits: Splits) -> None:
    """Say that preprocessing ended: plan.yaml, splits.json and the cases are there."""
    names = (*splits.train, *splits.validation)
    keys = {name: stored_key(folder, name) for name in names}
    content = {
        "format": FORMAT,
        "made_from": made_from(plan=plan.key, splits=splits.sha256),
        "cases": keys,
    }
    write_text(folder / NAME, json.dumps(content, indent=1) + "\n")


def open_prepared(folder: Path) -> Prepared:
    """What preprocessing left in `folder`.

    Raises UsageError where it did not end, or where its plan or splits were changed since.
    """
    folder = Path(folder)
    place = "/".join(folder.parts[-2:])
    content = read_record(folder / NAME)
    if content is None or content.get("format") != FORMAT:
        state = "was not finished" if folder.is_dir() else "was not done"
        raise UsageError(f"preprocessing into {place} {state}; run lesionseg preprocess first")
    plan, splits = read_plan(folder / "plan.yaml"), read_splits(folder / "splits.json")
    found = made_from(plan=plan.key, splits=splits.sha256)
    if changed := changed_parts(found, recorded_parts(content)):
        raise UsageError(
            f"{' and '.join(changed)} in {place} changed since the cases were made; "
            "run lesionseg preprocess again"
        )
    return Prepared(folder, plan, splits, content["cases"])
