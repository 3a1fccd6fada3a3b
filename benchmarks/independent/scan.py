"""One case as the other tools get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Figures = dict[str, Any]  # by name: a number, or a list of numbers


@dataclass(frozen=True, eq=False)
class Scan:
    """One case: reference, prediction (X, Y, Z) ids; scores by predicted id; affine, spacing in mm.

    one_mm: 1 mm and the slack of lengths. group: of the scans that make one data set for average
    precision.
    """

    reference: np.ndarray
    prediction: np.ndarray
    scores: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, ...]
    one_mm: float
    group: int

    @property
    def masks(self) -> list[np.ndarray]:
        return [self.reference > 0, self.prediction > 0]


def read_scans(file: str) -> list[Scan]:
    arrays = np.load(file)
    scans = []
    for i, group in enumerate(arrays["group"]):
        ids = [arrays[f"{n}_{i}"] for n in ("reference", "prediction", "scores", "affine")]
        spacing = tuple(arrays[f"spacing_{i}"].tolist())
        scans.append(Scan(*ids, spacing, float(arrays[f"one_mm_{i}"]), int(group)))
    return scans
