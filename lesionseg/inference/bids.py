"""Predictions as a BIDS derivative.

BIDS 1.10, "Derivatives", "Discrete segmentations": the volume of lesion ids is a dseg, a TSV names
its values, a JSON says what both are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesionseg import __version__
from lesionseg.inference.bids_files import BIDS, bids_files
from lesionseg.inference.prediction import Prediction, lesion_columns, lesion_rows
from lesionseg.io import write_mask
from lesionseg.io.segments.segment import numbered_colour
from lesionseg.storage.csv_table import write_csv
from lesionseg.storage.json_file import write_json
from lesionseg.structures import Volume

DESCRIPTION = f"{BIDS}/dataset_description.json"
VERSION = "1.10.0"
COLUMNS = {
    "index": "Value of the lesion's voxels, 1.. by falling score; 0 is background.",
    "name": "Lesion class and index.",
    "color": "Colour to show it in.",
    "volume_mm3": "Volume in mm3.",
    "diameter_mm": "Diameter in mm of the sphere of equal volume.",
    "centroid_r_mm": "Centre in mm, to the right.",
    "centroid_a_mm": "Centre in mm, to the front.",
    "centroid_s_mm": "Centre in mm, to the head.",
    "score": "Confidence of the model, 0 to 1.",
    "bucket": "Size bucket, by the diameter.",
    "class": "Lesion class.",
    "inside": "Index of the lesion around it, 0 for none; its voxels have the inner one's index.",
}


def write_bids(
    folder: Path, case: str, found: Prediction, like: Volume, record: Mapping[str, Any]
) -> None:
    """Write lesion ids, their table and sidecar. record: of the case. Raises OutputError."""
    volume, table, sidecar = (folder / name for name in bids_files(case, record["model"]))
    write_mask(volume, found.instances, like)
    _, *columns = lesion_columns(found.classes)
    at = columns.index("class")
    rows = []
    for number, *values in lesion_rows(found.kept, found.classes, like.affine, record["edges_mm"]):
        colour = "#{:02x}{:02x}{:02x}".format(*numbered_colour(int(str(number))))
        rows.append([number, f"{values[at]} {number}", colour, *values])
    heads = ["index", "name", "color", *columns]
    write_csv(table, heads, rows, float_format=".6g", delimiter="\t")
    content = {
        "Description": f"Lesions found by {record['model']}, an id each",
        "SpatialReference": "orig",
        "Manual": False,
        "Model": {key: record[key] for key in ("model", "weights_sha256", "thresholds")},
        **{name: {"Description": COLUMNS[name]} for name in heads},
    }
    write_json(sidecar, content)


def write_description(folder: Path) -> None:
    """Write dataset_description.json, which makes the folder a BIDS dataset. Raises OutputError."""
    content = {
        "Name": "Lesions found by lesionseg",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "lesionseg", "Version": __version__}],
    }
    write_json(folder / DESCRIPTION, content)
