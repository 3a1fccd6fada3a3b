"""The sidecar of a stored case, CASE.json: every value is checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from lesionseg.io.body_limits import body_fault
from lesionseg.io.nifti.affine_faults import affine_fault
from lesionseg.settings.messages import checked
from lesionseg.settings.record import Count, Number, Positive, Record, Text, Truth, Whole
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.provenance import read_record

FORMAT = 4
IMAGE, IDS, LESIONS = "_image.b2nd", "_ids.b2nd", "_lesions.csv"

Shape = tuple[Positive, Positive, Positive]
Row = tuple[Number, Number, Number, Number]
Rows = tuple[Row, Row, Row, Row]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CaseRecord(Record):
    """What a stored case is. shape: (C, X, Y, Z) of the image. files: sha256 by ending."""

    format: Literal[4]
    case: Text
    patient: str
    channels: tuple[Text, ...]
    shape: tuple[Positive, Positive, Positive, Positive]
    spacing_mm: tuple[Number, Number, Number]
    slab_axis: Annotated[Whole, Field(ge=0, le=2)]
    affine: Rows
    original_shape: Shape
    original_affine: Rows
    has_reference: Truth
    num_lesions: Count
    key: str
    audit: dict[str, Any] | None
    files: dict[str, Digest]

    @model_validator(mode="after")
    def _fits_together(self) -> CaseRecord:
        if len(self.channels) != self.shape[0]:
            raise ValueError(f"{len(self.channels)} channels are named, {self.shape[0]} stored")
        endings = {IMAGE, LESIONS} | ({IDS} if self.has_reference else set())
        if set(self.files) != endings:
            raise ValueError(f"its files are {sorted(self.files)}; want {sorted(endings)}")
        for name, shape, rows in (
            ("affine", self.shape[1:], self.affine),
            ("original_affine", self.original_shape, self.original_affine),
        ):
            affine = np.asarray(rows)
            fault = affine_fault(affine[:3]) or body_fault(shape, affine)
            if fault or rows[3] != (0, 0, 0, 1):
                raise ValueError(f"{name} {fault or 'has a last row other than 0 0 0 1'}")
        return self


def signed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a sidecar, as JSON holds it, with its own sha256."""
    plain = json.loads(json.dumps(content))  # keys are texts there, which sort otherwise
    return {**plain, "sha256": sha256_of_json(plain)}


def read_case_record(path: Path) -> CaseRecord | None:
    """The record of a complete case; None where there is none of this version, unchanged.

    Raises UsageError, in one line, for one that is whole and describes no case.
    """
    content = read_record(path)
    if content is None or content.get("format") != FORMAT:
        return None
    digest = content.pop("sha256", None)
    if digest != sha256_of_json(content):
        return None
    return checked(CaseRecord, content, path.name)
