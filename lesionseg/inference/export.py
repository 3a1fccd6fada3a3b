"""Write the prediction of a scan: masks on its own grid, a lesion table, a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionseg.inference.bids import write_bids
from lesionseg.inference.bids_files import BIDS
from lesionseg.inference.export_record import (
    DICOM_SEG,
    FOLDERS,
    probability_files,
    withdraw_export,
    write_record,
)
from lesionseg.inference.prediction import Prediction, lesion_columns, lesion_rows
from lesionseg.inference.viewer_files import write_dicom, write_viewer_files
from lesionseg.io import write_mask, write_probability
from lesionseg.io.dicom.source_slices import SourceSlices
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
    notes: Sequence[str] = (),
    source: SourceSlices | None = None,
) -> None:
    """Write CASE.nii.gz (the mask, by the values of the classes), instances/, lesions/, CASE.json,
    and the `extras` asked for.

    record: what makes them, taken by `export_record` before the scan was read. notes: what was
    seen on reading it. source: the DICOM slices of the scan, for the format dicom_seg. CASE.json
    comes last: its presence says that the case is whole. What an earlier export of the case left is
    removed first, beginning with its record. Raises OutputError where files cannot be written.
    """
    withdraw_export(folder, case)
    name = f"{case}.nii.gz"
    tables = {"lesions": found.kept}
    write_mask(folder / "instances" / name, found.kept.ids, like)
    if "candidates" in extras:
        write_mask(folder / FOLDERS["candidates"] / name, found.candidates.ids, like)
        tables["candidates"] = found.candidates
    for table, lesions in tables.items():
        rows = lesion_rows(lesions, found.classes, like.affine, record["edges_mm"])
        columns = lesion_columns(found.classes)
        write_csv(folder / table / f"{case}.csv", columns, rows, float_format=".6g")
    if "probability" in extras:
        places = probability_files(case, found.classes)
        for place, probability in zip(places, found.class_probabilities):
            # a probability is not known to more than three digits; rounded to them the file is half
            # the size
            write_probability(folder / place, probability.astype(np.float16), like)
    write_viewer_files(folder, case, found, like, extras)
    if BIDS in extras:
        write_bids(folder, case, found, like, record)
    if source is not None and DICOM_SEG in extras:
        write_dicom(folder, case, found, like, source, record)
    write_mask(folder / name, found.mask, like)
    write_record(folder, case, record, extras, notes)
