"""The metrics of one scan, each a function of a matched case. 0 / 0 is NaN."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lesionseg.evaluation.scored_case import ScoredCase
from lesionseg.evaluation.surfaces import hausdorff_95, normalised_surface_dice

TOLERANCE_MM = 1.0
NAN = float("nan")


def ratio_of_counts(
    numerator: Mapping[str, float], denominator: Mapping[str, float]
) -> Callable[[ScoredCase], float]:
    """The metric that is a ratio of weighted `ScoredCase.counts`."""

    def figure(case: ScoredCase) -> float:
        top, bottom = (
            sum(case.counts[name] * weight for name, weight in weights.items())
            for weights in (numerator, denominator)
        )
        return _ratio(top, bottom)

    return figure


def dice(case: ScoredCase) -> float:
    """Of all lesion voxels of the scan."""
    return _ratio(2 * len(case.matched.overlaps.shared_flat), sum(case.voxels))


def surface_dice(case: ScoredCase) -> float:
    """Share of both surfaces within TOLERANCE_MM of the other; 0 where one mask is empty."""
    if case.surfaces is None:
        return NAN if case.is_empty else 0.0
    return normalised_surface_dice(*case.surfaces, TOLERANCE_MM, case.matched.spacing_mm)


def hd95_mm(case: ScoredCase) -> float:
    """Infinite where one mask is empty."""
    if case.surfaces is None:
        return NAN if case.is_empty else float("inf")
    return hausdorff_95(*case.surfaces)


def num_split(case: ScoredCase) -> float:
    """Reference lesions to which several predicted lesions are assigned."""
    owner = case.matched.assignment.reference
    return float((np.bincount(owner[owner >= 0]) > 1).sum())


def num_merged(case: ScoredCase) -> float:
    """Predicted lesions that share voxels with several reference lesions."""
    return float((np.bincount(case.matched.overlaps.prediction) > 1).sum())


def volume_difference_mm3(case: ScoredCase) -> float:
    """Predicted less reference volume."""
    reference, predicted = case.voxels
    return (predicted - reference) * case.matched.voxel_mm3


def relative_volume_difference(case: ScoredCase) -> float:
    """The same as a share of the reference volume."""
    return _ratio(volume_difference_mm3(case), case.voxels[0] * case.matched.voxel_mm3)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator) / float(denominator) if denominator else NAN
