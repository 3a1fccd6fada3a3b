"""Masks of several lesion classes, and the files that lesionseg writes beside them."""

import csv
import json
from pathlib import Path

import numpy as np
from report_cohort import SHAPE, save

from lesionseg.reporting import ReportCase, prediction_files

TWO = {"core": (1, 3), "oedema": (2,)}
NESTED = {"whole": (1, 2, 3), "core": (1, 3)}


def box(mask, start, size, value):
    mask[tuple(slice(a, a + n) for a, n in zip(start, size))] = value


def classes_of(values, written=(1, 2), regions=False):
    """A record of classes as a mask's CASE.json holds it."""
    each = [
        {"name": name, "values": list(v), "written": w}
        for (name, v), w in zip(values.items(), written)
    ]
    return {"regions": regions, "classes": each}


def predict(folder, case, mask, classes=None, ids=None, rows=(), candidates=None, scored=()):
    """A mask with its record; rows, scored: id, score, class, inside of lesions, of candidates."""
    save(folder / f"{case}.nii.gz", mask)
    if classes is not None:
        (folder / f"{case}.json").write_text(json.dumps({"lesion_classes": classes}))
    for kind, volume, table, at in (
        ("instances", ids, rows, "lesions"),
        ("candidates", candidates, scored, "candidates"),
    ):
        if volume is not None:
            save(folder / kind / f"{case}.nii.gz", volume.astype(np.int32))
            (folder / at).mkdir(exist_ok=True)
            with (folder / at / f"{case}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("id", "score", "class", "inside"), *table])
    return prediction_files(folder, folder / f"{case}.nii.gz")


def case_of(root: Path, reference, files, case="a", patient=None):
    """files: by model."""
    path = save(root / "reference" / f"{case}.nii.gz", reference)
    return ReportCase(case, patient or case, path, files)


def reference_of_two():
    """Core of 8 voxels in values 1 and 3; oedema of 27 voxels that touches it, and one apart."""
    mask = np.zeros(SHAPE, np.uint8)
    box(mask, (4, 4, 4), (1, 2, 2), 1)
    box(mask, (5, 4, 4), (1, 2, 2), 3)
    box(mask, (6, 4, 4), (3, 3, 3), 2)
    box(mask, (20, 20, 10), (3, 3, 3), 2)
    return mask
