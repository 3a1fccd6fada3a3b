"""run.json: what made a run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import lesionseg
from lesionseg.datasets.dataset import Dataset
from lesionseg.settings.run import RunSettings
from lesionseg.storage.atomic import write_text

VERSIONS = ("lesionseg", "torch", "lightning", "monai", "nibabel", "SimpleITK", "numpy", "scipy")


def write_run_record(settings: RunSettings, dataset: Dataset, splits_sha256: str) -> None:
    """Write OUTPUT/run.json: all settings, hashes, versions, revision."""
    card = dataset.card.model_dump_json()
    content = {
        "config": _without_homes(settings),
        "card": dataset.card.name,
        "card_sha256": hashlib.sha256(card.encode()).hexdigest(),
        "splits_sha256": splits_sha256,
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": {name: metadata.version(name) for name in VERSIONS},
        "git_revision": _git_revision(),
    }
    write_text(Path(settings.output) / "run.json", json.dumps(content, indent=1) + "\n")


def _without_homes(settings: RunSettings) -> dict[str, Any]:
    """The settings as plain data, paths as seen from the run folder: a whole one may name a person.

    Where that leads up to the root of the disk, the name alone is kept.
    """
    content = settings.plain()
    run = os.path.abspath(settings.output)
    for group, key in ((content["data"], "root"), (content["data"], "card"), (content, "output")):
        value = group.get(key)
        if value and os.path.isabs(value):
            with contextlib.suppress(ValueError):  # on another drive
                path = os.path.relpath(value, run)
                common = os.path.commonpath([value, run])
                value = path if os.path.dirname(common) != common else os.path.basename(value)
            group[key] = Path(value).as_posix() if not os.path.isabs(value) else Path(value).name
    return content


def _git_revision() -> str | None:
    """Of the checkout this code runs from; None for an installed package."""
    here = Path(lesionseg.__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
