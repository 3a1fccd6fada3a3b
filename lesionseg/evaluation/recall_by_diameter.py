"""The share of lesions of about one size that is found, at one number of false positives a scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.froc import operating_curve, recall_at
from lesionseg.evaluation.seeds import trainings
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.size_buckets import diameter_mm

COLUMNS = ["model", "diameter_mm", "recall", "num_lesions"]
FEWEST = 10  # lesions in a window
WINDOWS = 8  # side by side; twice as many, as each overlaps the next by half


def recall_by_diameter(
    candidates: Mapping[str, Mapping[str, Candidates]],
    matched_at: float,
    *,
    model_of: Mapping[str, str] | None = None,
    found_iou: float = FOUND_IOU,
) -> pd.DataFrame:
    """Recall of each model in windows over the sorted reference lesions, with COLUMNS.

    candidates: by training, then case, the same cases for all. matched_at: false positives a scan;
    of several seeds each has its own threshold there, and recall is their mean. A window holds an
    eighth of the lesions, at least 10, and its diameter is their median. No rows for fewer lesions
    than two windows.
    """
    scans = {training: list(by_case.values()) for training, by_case in candidates.items()}
    first = next(iter(scans.values()), [])
    volumes = np.sort(np.concatenate([np.zeros(0), *(scan.reference_mm3 for scan in first)]))
    size = max(FEWEST, len(volumes) // WINDOWS)
    starts = range(0, len(volumes) - size + 1, max(1, size // 2))
    if len(starts) < 2:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for model, mine in trainings(scans, model_of or {}).items():
        for start in starts:
            inside = volumes[start : start + size]
            # the slack of volumes is on both limits, so the upper one lies beyond it
            limits = float(inside[0]), float(inside[-1]) * 1.001
            each = [
                recall_at(
                    operating_curve(scans[m], found_iou=found_iou, volume_range_mm3=limits),
                    matched_at,
                )[0][0]
                for m in mine
            ]
            number = int(((volumes >= limits[0]) & (volumes < limits[1])).sum())
            middle = float(diameter_mm(np.median(inside)))
            rows.append((model, middle, float(np.mean(each)), number))
    return pd.DataFrame(rows, columns=COLUMNS)
