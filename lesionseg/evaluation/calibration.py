"""Whether scores are probabilities: of the candidates scored 0.7, are 7 in 10 lesions?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def calibration_error_draws(
    scans: Sequence[Candidates], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean gap of score and share of true lesions, by candidates (Guo et al., 2017): (draws,).

    weights: (draws, scans), how often each scan counts. NaN without candidates.
    """
    sums = np.zeros((len(scans), BINS, 2))  # by scan and bin: candidates, scores less truths
    for sum_of, scan in zip(sums, scans):
        at = np.clip((scan.score * BINS).astype(int), 0, BINS - 1)
        sum_of[:, 0] = np.bincount(at, minlength=BINS)
        sum_of[:, 1] = np.bincount(at, scan.score - (scan.owner > 0), minlength=BINS)
    num, gap = np.moveaxis(np.tensordot(weights, sums, axes=1), 2, 0)  # each (draws, BINS)
    total = num.sum(axis=1)
    error = np.abs(gap).sum(axis=1)
    return np.divide(error, total, out=np.full(len(weights), np.nan), where=total > 0)
