"""One matched case, from which the metrics of the whole scan are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.matching import ONE_TO_ONE, Matched
from lesionseg.evaluation.surfaces import surface_distances


@dataclass(frozen=True, eq=False)
class ScoredCase:
    """lesions, predictions: the case's tables. num_voxels: of the whole scan."""

    matched: Matched
    lesions: pd.DataFrame
    predictions: pd.DataFrame
    num_voxels: int

    @cached_property
    def voxels(self) -> tuple[int, int]:
        """Lesion voxels of the reference and of the prediction."""
        return len(self.matched.reference.flat), len(self.matched.prediction.flat)

    @cached_property
    def counts(self) -> Mapping[str, float]:
        """The sums of `counts.count_by_bucket` that rates of a whole scan are made of."""
        counts: dict[str, float] = {
            "lesions": len(self.matched.reference),
            "found": int(self.lesions["found"].sum()),
            "false_positives": int(self.matched.false_positive.sum()),
            "finding_nothing": int(self.predictions["finds_nothing"].sum()),
        }
        for name in ONE_TO_ONE:
            pairs = self.predictions[name][self.predictions[f"match_{name}"] > 0]
            counts[f"{name}_pairs"] = len(pairs)
            counts[f"{name}_sum"] = float(pairs.sum())
            counts[f"{name}_unpaired"] = len(self.predictions) - len(pairs)
        return counts

    @cached_property
    def surfaces(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Surface distances in mm, reference to prediction and back; None where a mask is empty."""
        one, other = self.matched.reference, self.matched.prediction
        if len(one) == 0 or len(other) == 0:
            return None
        return surface_distances(one, other, self.matched.frame, self.matched.spacing_mm)

    @property
    def is_empty(self) -> bool:
        """Whether neither mask holds a lesion."""
        return len(self.matched.reference) == 0 and len(self.matched.prediction) == 0
