"""model.json: every value is checked before anything is built by it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lesionseg.errors import UsageError
from lesionseg.settings.messages import checked
from lesionseg.settings.record import Edges, Record, Share, Text
from lesionseg.storage.json_file import read_json
from lesionseg.structures import OperatingPoint

FORMAT = 10


class StoredPoint(Record):
    """At or above which a voxel is in a lesion, and a lesion is reported."""

    voxel_threshold: Share = Field(description="Of a voxel.")
    score_threshold: Share = Field(description="Of a lesion.")
    calibration: tuple[tuple[Share, Share], ...] = Field(
        default=(), max_length=100, description="From the network's score to the one told: knots."
    )

    @property
    def point(self) -> OperatingPoint:
        return OperatingPoint(self.voxel_threshold, self.score_threshold, self.calibration)

    @model_validator(mode="after")
    def _rises(self) -> StoredPoint:
        knots = self.calibration
        if knots and (knots[0] != (0, 0) or knots[-1][0] != 1):
            raise ValueError("calibration does not run from 0 at 0 to a score of 1")
        for before, after in itertools.pairwise(knots):
            if not (before[0] < after[0] and before[1] < after[1]):
                raise ValueError(f"calibration does not rise from {before} to {after}")
        return self


class ModelRecord(Record):
    """How to build and use a model. settings, plan: checked where they are turned into records."""

    format: Literal[10] = Field(description="Format of the folder.")
    lesionseg: str = Field(description="Version that wrote it.")
    torch: str = Field(description="Version of torch that trained it.")
    name: Text = Field(description="Name of the network.")
    settings: dict[str, Any] = Field(description="Settings of the network.")
    plan: dict[str, Any] = Field(description="How scans are preprocessed.")
    operating_points: Annotated[tuple[StoredPoint, ...], Field(min_length=1, max_length=255)] = (
        Field(description="Thresholds of each class.")
    )
    edges_mm: Edges = Field(description="Edges of the size buckets, mm.")
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="Hash of the weights."
    )
    training: dict[str, Any] = Field(description="How it was trained.")


def read_model_record(path: Path) -> ModelRecord:
    """The record in a model.json.

    Raises OSError where it cannot be read, ValueError where it is no JSON, UsageError in one line
    for another format and for a value that does not fit.
    """
    content = read_json(path)
    found = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT
    if found != FORMAT:
        raise UsageError(f"{path.name} has format {found!r}, this version reads {FORMAT}")
    return checked(ModelRecord, content, path.name)
