"""Write the prediction of a scan: masks on its own grid, a lesion table, a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionseg.inference.export_record import FOLDERS, withdraw_export, write_record
from lesionseg.inference.prediction import COLUMNS, Prediction, lesion_rows
from lesionseg.io import write_mask, write_probability
from lesionseg.storage.csv_table import write_csv
from lesionseg.structures import Volume


def export_case(
    folder: Path,
    case: str,
    found: Prediction,
    like: Volume,
    record: Mapping[str, Any],
    *,
    extras: Sequence[str] = (),
) -> None:
    """Write CASE.nii.gz (uint8 mask), instances/, lesions/, CASE.json, and the `extras` asked for.

    record: what makes them, taken by `export_record` before the scan was read. CASE.json comes
    last: its presence says that the case is whole. What an earlier export of the case left is
    removed first, beginning with its record. Raises OutputError where files cannot be written.
    """
    withdraw_export(folder, case)
    name = f"{case}.nii.gz"
    edges_mm = record["edges_mm"]
    write_mask(folder / "instances" / name, found.instances, like)
    rows = lesion_rows(found.instances, found.scores, like.affine, edges_mm)
    write_csv(folder / "lesions" / f"{case}.csv", COLUMNS, rows, float_format=".6g")
    if "candidates" in extras:
        ids, scores = found.candidate_instances, found.candidate_scores
        write_mask(folder / FOLDERS["candidates"] / name, ids, like)
        rows = lesion_rows(ids, scores, like.affine, edges_mm)
        write_csv(folder / "candidates" / f"{case}.csv", COLUMNS, rows, float_format=".6g")
    if "probability" in extras:
        # a probability is not known to more than three digits; rounded to them the file is half the
        # size
        rounded = found.probability.astype(np.float16)
        write_probability(folder / FOLDERS["probability"] / name, rounded, like)
    write_mask(folder / name, found.mask, like)
    write_record(folder, case, record, extras)
