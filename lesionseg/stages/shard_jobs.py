"""What the jobs of a stage's shards read: the stage, its settings and where it was called."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.settings.messages import checked
from lesionseg.settings.shards import Shards
from lesionseg.settings.stages import STAGE_RECORDS
from lesionseg.storage.atomic import write_text
from lesionseg.storage.part_records import FOLDER
from lesionseg.storage.provenance import read_record

NAME = "jobs.json"
SHARED = [name for name, record in STAGE_RECORDS.items() if issubclass(record, Shards)]


@dataclass(frozen=True)
class Jobs:
    """folder: where relative paths of the settings begin."""

    stage: str
    settings: Mapping[str, Any]
    folder: Path


def write_jobs(output: Path, stage: str, settings: Shards, **own: Any) -> Path:
    """Write what the jobs read; returns its place. own: settings of all jobs that the stage has
    not. Raises OutputError."""
    path = output.resolve() / FOLDER / NAME
    content = {"stage": stage, "settings": settings.plain() | own, "folder": os.getcwd()}
    write_text(path, json.dumps(content, indent=1) + "\n")
    return path


def read_jobs(path: Path) -> Jobs:
    """What `write_jobs` wrote. Raises UsageError where it cannot be read."""
    content = read_record(path) or {}
    try:
        if content["stage"] not in SHARED:
            raise ValueError(content["stage"])
        return Jobs(str(content["stage"]), dict(content["settings"]), Path(content["folder"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path.name} cannot be read; start the stage again") from error


def shard_settings(jobs: Jobs, shard: int) -> Shards:
    """The settings of one shard. They keep the launcher, whose process finishes the output."""
    launcher = {name: jobs.settings[name] for name in ("launcher", "launcher_options")}
    alone = {**jobs.settings, "shard": shard, "launcher": None, "launcher_options": {}}
    settings = checked(STAGE_RECORDS[jobs.stage], alone, NAME)
    assert isinstance(settings, Shards)
    return settings.model_copy(update=launcher)
