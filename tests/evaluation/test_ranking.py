"""How often each model comes first, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from lesionseg.evaluation.ranking import rank_stability, region_dice_draws


def shares(table, model):
    return table[table["model"] == model].sort_values("rank")["share"].tolist()


def test_shares_of_ranks_by_hand():
    """Four draws: a first in two, b in one, and in one draw both are equal before c."""
    draws = {
        "a": np.array([0.9, 0.9, 0.1, 0.5]),
        "b": np.array([0.5, 0.1, 0.9, 0.5]),
        "c": np.array([0.1, 0.5, 0.5, 0.2]),
    }
    table = rank_stability({"Region Dice": draws})
    assert shares(table, "a") == pytest.approx([(1 + 1 + 0.5) / 4, 0.5 / 4, 1 / 4])
    assert shares(table, "b") == pytest.approx([(1 + 0.5) / 4, (1 + 0.5) / 4, 1 / 4])
    assert shares(table, "c") == pytest.approx([0, 2 / 4, 2 / 4])


def test_two_models_have_a_difference_and_no_ranks():
    assert rank_stability({"x": {"a": np.ones(3), "b": np.ones(3)}}).empty
    assert rank_stability({"x": {}}).empty


def test_draws_without_a_figure_are_left_out():
    draws = {"a": np.array([1, np.nan]), "b": np.array([0.5, 1]), "c": np.array([0.2, 1])}
    assert shares(rank_stability({"x": draws}), "a") == [1, 0, 0]


def test_the_draws_of_region_dice_are_pooled_over_the_patients_drawn():
    """Two patients with 1 and 3 lesions: every draw is 1, 0, or the mean of all four lesions."""
    lesions = pd.DataFrame(
        {
            "model": "a",
            "kind": ["reference"] * 4 + ["false_positive"],
            "patient": ["p", "q", "q", "q", "q"],
            "region_dice": [1.0, 0.0, 0.0, 0.0, np.nan],
        }
    )
    (draws,) = region_dice_draws(lesions, draws=200).values()
    assert set(draws.tolist()) == {0.0, 0.25, 1.0}
