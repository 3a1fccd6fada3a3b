"""The curves of a training."""

import numpy as np
import pandas as pd
import pytest

from lesionseg.reporting.plots.style import as_png
from lesionseg.reporting.plots.training import training_curves


def log(**values):
    rows = [
        (step, float(step), name, value)
        for name, series in values.items()
        for step, value in series.items()
    ]
    return pd.DataFrame(rows, columns=["step", "seconds", "name", "value"])


def visible(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def test_terms_share_a_panel_and_every_other_value_has_its_own():
    figure = training_curves(
        log(
            box={20: 2.0, 40: 1.0},
            mask={20: 0.02, 40: 0.01},
            val_recall={40: 0.5},
            val_fp_per_scan={40: 3.0},
            learning_rate={20: 1e-3, 40: 1e-4},
        )
    )
    terms, recall, positives, rate = visible(figure)
    assert [line.get_label() for line in terms.get_lines()] == ["box", "mask"]
    np.testing.assert_array_equal(terms.get_lines()[0].get_xydata(), [[20, 2.0], [40, 1.0]])
    assert terms.get_yscale() == "log"
    np.testing.assert_array_equal(recall.get_lines()[0].get_xydata(), [[40, 0.5]])
    np.testing.assert_array_equal(positives.get_lines()[0].get_ydata(), [3.0])
    np.testing.assert_array_equal(rate.get_lines()[0].get_ydata(), [1e-3, 1e-4])
    assert as_png(figure).startswith(b"\x89PNG")


def test_a_term_that_reaches_zero_is_drawn_on_a_straight_scale():
    (terms,) = visible(training_curves(log(dice={1: 0.5, 2: 0.0})))
    assert terms.get_yscale() == "linear"


def test_a_training_too_short_for_a_row_of_losses_has_its_validation_alone():
    (recall,) = visible(training_curves(log(val_recall={3: 0.0, 6: 0.1})))
    assert recall.get_title(loc="left").startswith("Validation")


@pytest.mark.parametrize("table", [log(), pd.DataFrame({"step": [1], "loss": [2.0]})])
def test_what_is_no_log_is_refused(table):
    with pytest.raises(ValueError, match="want rows of step, seconds, name, value"):
        training_curves(table)
