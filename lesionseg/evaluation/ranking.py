"""How stable the order of three and more models is when other patients are drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from lesionseg.evaluation.statistics import DRAWS, bootstrap_weights, ratio

FEWEST_MODELS = 3  # two models have a difference with an interval
COLUMNS = ["figure", "model", "rank", "share"]


def rank_stability(figures: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> pd.DataFrame:
    """How often each model takes each rank over the bootstrap draws.

    figures: in words, then by model, (draws,) of a figure of which more is better; the draws are of
    the same patients for all models. A draw in which a model has no figure is left out; equal
    models share the ranks that they take (Wiesenfarth et al., Scientific Reports 11, 2021).
    Columns: COLUMNS; rank 1 is the best. Empty below FEWEST_MODELS models.
    """
    parts = [pd.DataFrame(columns=COLUMNS)]
    for figure, by_model in figures.items():
        draws = np.stack(list(by_model.values())) if by_model else np.zeros((0, 0))
        draws = draws[:, ~np.isnan(draws).any(axis=0)]
        if len(draws) < FEWEST_MODELS or draws.shape[1] == 0:
            continue
        shares = _shares(draws)
        for model, row in zip(by_model, shares):
            ranks = range(1, len(by_model) + 1)
            parts.append(
                pd.DataFrame({"figure": figure, "model": model, "rank": ranks, "share": row})
            )
    full = [part for part in parts if len(part)]
    return pd.concat(full, ignore_index=True) if full else parts[0]


def region_dice_draws(
    lesions: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Pooled region Dice in each draw of the patients who have lesions, (draws,) by model.

    lesions: the table of `evaluate_case` with columns model and patient; the models' patients are
    the same.
    """
    reference = lesions[lesions["kind"] == "reference"]
    sums = reference.groupby(["model", "patient"], sort=False)["region_dice"].agg(["sum", "count"])
    found = {}
    for model in dict.fromkeys(reference["model"]):
        mine = sums.loc[model].sort_index()
        weights = bootstrap_weights(len(mine), draws=draws, seed=seed)
        found[model] = ratio(weights @ mine["sum"].to_numpy(), weights @ mine["count"].to_numpy())
    return found


def _shares(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """(models, ranks): the share of draws in which a model has a rank."""
    low = rankdata(-draws, method="min", axis=0)
    high = rankdata(-draws, method="max", axis=0)
    ranks = np.arange(1, len(draws) + 1)[:, None, None]
    taken = (low <= ranks) & (ranks <= high)
    shares: NDArray[np.float64] = (taken / (high - low + 1)).mean(axis=2).T
    return shares
