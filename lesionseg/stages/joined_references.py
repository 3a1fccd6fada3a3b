"""Scans drawn by several raters: one reference of each, and how far the raters agree."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
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


def joined_references(
    scans: Sequence[ScanFiles], labels: MaskLabels, folder: Path, *, edges_mm: Sequence[float]
) -> tuple[list[ScanFiles], pd.DataFrame | None, dict[str, str]]:
    """The scans, those of several raters with a joined mask written to `folder` as CASE.nii.gz.

    Also the agreement between the raters, None where no scan has several, and case -> why of the
    scans whose masks cannot be read, which are left out.
    """
    joined = {scan.case: scan for scan in scans}
    rejected: dict[str, str] = {}

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
            lesion = joined_raters(found, labels.classes, scan.consensus, scan.few_raters)
            unjudged = min(labels.ignored, default=0)
            written = written_values(lesion.astype(np.int32), labels.classes, unjudged)
            write_mask(path, written, image)
            joined[scan.case] = dataclasses.replace(scan, mask=path, raters=())
            drawn = {name: one > 0 for name, one in found.items()}
            yield drawn, geometry.spacing(image.affine)

    table = rater_agreement(masks(), edges_mm=edges_mm)
    kept = [scan for case, scan in joined.items() if case not in rejected]
    return kept, (None if table.empty else table), rejected
