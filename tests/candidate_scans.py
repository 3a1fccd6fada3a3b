"""Scans of which only the candidates' scores and truth matter."""

import numpy as np

from lesionseg.evaluation import Candidates


def scan(score, true):
    score, true = np.asarray(score, float), np.asarray(true, bool)
    none = np.zeros(0)
    num = len(score)
    return Candidates(
        ids=np.arange(1, num + 1, dtype=np.int32),
        score=score,
        volume_mm3=np.ones(num),
        owner=true.astype(np.int32),
        overlap_mm3=np.ones(num),
        reference_ids=none.astype(np.int32),
        reference_mm3=none,
        pair_candidate=none.astype(np.int64),
        pair_reference=none.astype(np.int64),
        pair_iou=none,
    )
