"""Scans drawn by several raters: one reference of each, and how far the raters agree."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.io import write_mask
from lesionseg.lesion_kinds import written_values
from lesionseg.reading.raters import joined_raters
from lesionseg.reading.scans import read_channels, read_raters
from lesionseg.reporting.tables.agreement import rater_agreement


@dataclass(frozen=True, eq=False)
class JoinedReferences:
    """scans: those of several raters with a joined mask. agreement: between the raters, None where
    no scan has several. rejected: case -> why of the scans whose masks cannot be read, which are
    left out. notes: sentences on what was ignored. ignored: mask values of voxels that nobody
    judged, or that the raters could not decide on."""

    scans: list[ScanFiles]
    agreement: pd.DataFrame | None
    rejected: dict[str, str]
    notes: tuple[str, ...]
    ignored: frozenset[int]


def joined_references(
    scans: Sequence[ScanFiles], labels: MaskLabels, folder: Path, *, edges_mm: Sequence[float]
) -> JoinedReferences:
    """Write a joined mask of each scan of several raters to `folder` as CASE.nii.gz."""
    joined = {scan.case: scan for scan in scans}
    rejected: dict[str, str] = {}
    notes: list[str] = []
    unjudged = min(labels.ignored, default=1 + max(labels.lesions | (labels.known or frozenset())))

    def masks() -> Iterator[tuple[Mapping[str, NDArray[Any]], Sequence[float]]]:
        for scan in scans:
            if not scan.raters:
                continue
            try:
                image = read_channels(scan)[0]
                found = read_raters(scan, labels, image.grid)
            except CaseError as error:
                rejected[scan.case] = error.problem
                print(f"rejected: {error}", file=sys.stderr)
                continue
            path = folder / f"{scan.case}.nii.gz"
            made = joined_raters(found, labels.classes, scan.consensus, scan.few_raters)
            notes.extend(f"reference of {scan.case}: {note}" for note in made.notes)
            written = written_values(made.numbers.astype(np.int32), labels.classes, unjudged)
            write_mask(path, written, image)
            joined[scan.case] = dataclasses.replace(scan, mask=path, raters=())
            yield found, geometry.spacing(image.affine)

    table = rater_agreement(masks(), labels.classes, edges_mm=edges_mm)
    kept = [scan for case, scan in joined.items() if case not in rejected]
    ignored = labels.ignored | ({unjudged} if notes else frozenset())
    agreement = None if table.empty else table
    return JoinedReferences(kept, agreement, rejected, tuple(notes), ignored)
