"""A model trained with several seeds: its figures are means over them within a patient.

Each training is scored as a model of its own; `model_of` says of which model each is. A model that
is not in it was trained once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SeedSpread:
    """Standard deviation over seeds of a figure; NaN of one seed."""

    num_seeds: int = 1
    deviation: float = math.nan

    @classmethod
    def of(cls, values: Sequence[float]) -> SeedSpread:
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        return cls(len(values), deviation)


def trainings(models: Iterable[str], model_of: Mapping[str, str]) -> dict[str, list[str]]:
    """The trainings of each model, in their order."""
    found: dict[str, list[str]] = {}
    for training in dict.fromkeys(models):
        found.setdefault(model_of.get(training, training), []).append(training)
    return found


def mean_over_seeds(
    table: pd.DataFrame, model_of: Mapping[str, str], keys: Sequence[str]
) -> pd.DataFrame:
    """A table whose column model names trainings, as one that names models: means of its numbers.

    keys: columns that with the model say what a row is of. Undefined values are left out.
    """
    if not model_of:
        return table
    named = table.assign(model=table["model"].map(lambda name: model_of.get(name, name)))
    return named.groupby(["model", *keys], sort=False).mean(numeric_only=True).reset_index()
