"""Whether a score means what it says: of the lesions scored 0.7, are 7 in 10 lesions?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesionseg.evaluation.candidates import Candidates

BINS = 10


def calibration(candidates: Mapping[str, Mapping[str, Candidates]]) -> pd.DataFrame:
    """Candidates by score in ten equal bins: one row per model and bin that holds any.

    Columns: model, low, high, num_candidates, mean_score, share_true. A candidate is true where it
    shares a voxel with a reference lesion.
    """
    rows = []
    for model, by_case in candidates.items():
        score = np.concatenate([np.zeros(0), *(scan.score for scan in by_case.values())])
        true = np.concatenate([np.zeros(0, bool), *(scan.owner > 0 for scan in by_case.values())])
        at = np.clip((score * BINS).astype(int), 0, BINS - 1)
        for i in np.unique(at):
            mine = at == i
            rows.append(
                {
                    "model": model,
                    "low": i / BINS,
                    "high": (i + 1) / BINS,
                    "num_candidates": int(mine.sum()),
                    "mean_score": float(score[mine].mean()),
                    "share_true": float(true[mine].mean()),
                }
            )
    columns = ["model", "low", "high", "num_candidates", "mean_score", "share_true"]
    return pd.DataFrame(rows, columns=columns)


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean gap of score and share of true lesions, by candidates (Guo et al., 2017)."""
    if table.empty:
        return float("nan")
    gap = (table["mean_score"] - table["share_true"]).abs()
    return float(np.average(gap, weights=table["num_candidates"]))
