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
TRIED = tuple(round(0.99 - 0.01 * i, 2) for i in range(99))  # fixed before any score is seen


def patients_needed(share: float) -> int:
    """The fewest validation patients with which a bound can hold: those without a single false
    lesion. share: largest share of false lesions, above 0 and below 1."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - share) - 1e-9)


def bounded_threshold(
    scans: Sequence[Candidates], patients: Sequence[str], share: float
) -> float | None:
    """The lowest of TRIED at which, with CONFIDENCE, at most this share of a patient's reported
    lesions is false on average; None where not even the strictest passes.

    patients: of each scan; scans of one patient count as one, by their mean. A lesion is false
    where it shares no voxel with a reference lesion; of a patient without reported lesions none is.
    """
    names = sorted(set(patients))
    place = np.array([names.index(one) for one in patients], np.int64)
    scans_of = np.bincount(place, minlength=len(names))
    passed = None
    for threshold in TRIED:
        shares = np.array([_false_share(scan, threshold) for scan in scans])
        by_patient = np.bincount(place, shares, len(names)) / scans_of
        if _p_value(by_patient, share) > 1 - CONFIDENCE:
            break
        passed = threshold
    return passed


def _false_share(scan: Candidates, threshold: float) -> float:
    reported = scan.score >= threshold
    return float((scan.owner[reported] <= 0).mean()) if reported.any() else 0.0


def _p_value(losses: NDArray[np.float64], share: float) -> float:
    """Of the hypothesis that the mean loss is above `share`, losses in [0, 1] (Hoeffding 1963)."""
    mean = float(losses.mean())
    if mean >= share:
        return 1.0
    apart = (1 - mean) * math.log((1 - mean) / (1 - share))
    if mean > 0:
        apart += mean * math.log(mean / share)
    return math.exp(-len(losses) * apart)
