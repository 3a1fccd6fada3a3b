"""A score threshold whose share of false lesions is bounded for new patients.

Learn then Test (Angelopoulos et al. 2021): thresholds of a fixed list are tested one after another,
the strictest first, until one fails. What passes holds for patients like those of validation, with
CONFIDENCE, however the network works and however few or many they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesionseg.evaluation import Candidates

CONFIDENCE = 0.9
NEAR_1 = (0.99999, 0.9999, 0.9998, 0.9995, 0.999, 0.998, 0.995)  # most peaks of a U-Net are there
TRIED = (*NEAR_1, *(round(0.99 - 0.01 * i, 2) for i in range(99)))  # before any score is seen


def patients_needed(share: float) -> int:
    """The fewest validation patients with which a bound can hold: those without a single false
    lesion. share: largest share of false lesions, above 0 and below 1."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - share) - 1e-9)


def bounded_threshold(
    scans: Sequence[Candidates], patients: Sequence[str], share: float
) -> float | None:
    """The lowest of TRIED at which, with CONFIDENCE, at most this share of a patient's reported
    lesions is false on average; None where not even the strictest passes.

    patients: of each scan; the lesions of all scans of a patient count together. A lesion is false
    where it shares no voxel with a reference lesion; of a patient without reported lesions none is.
    """
    _, place = np.unique(patients, return_inverse=True)
    passed = None
    for threshold in TRIED:
        reported, false = (
            np.bincount(place, [count(scan, threshold) for scan in scans])
            for count in (_num_reported, _num_false)
        )
        if _p_value(false / np.maximum(reported, 1), share) > 1 - CONFIDENCE:
            break
        passed = threshold
    return passed


def _num_reported(scan: Candidates, threshold: float) -> int:
    return int((scan.score >= threshold).sum())


def _num_false(scan: Candidates, threshold: float) -> int:
    return int(((scan.score >= threshold) & (scan.owner <= 0)).sum())


def _p_value(losses: NDArray[np.float64], share: float) -> float:
    """Of the hypothesis that the mean loss is above `share`, losses in [0, 1] (Hoeffding 1963)."""
    mean = float(losses.mean())
    if mean >= share:
        return 1.0
    apart = (1 - mean) * math.log((1 - mean) / (1 - share))
    if mean > 0:
        apart += mean * math.log(mean / share)
    return math.exp(-len(losses) * apart)
