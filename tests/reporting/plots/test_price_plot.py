"""The price of missing one lesion in words and as a plot, for and against the claim."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesionseg.reporting.plots.missing_price import price_lines, price_plot, price_words
from lesionseg.reporting.plots.style import MEDIUM, NARROW, as_png, style

DIAMETERS = np.geomspace(1.5, 12, 12)


def prices(**powers):
    """Prices that grow with a told power of the diameter; terms are named model__term."""
    parts = []
    for name, power in powers.items():
        model, term = name.split("__")
        parts.append(
            pd.DataFrame(
                {
                    "model": model,
                    "term": term,
                    "case": "a",
                    "lesion": range(12),
                    "diameter_mm": DIAMETERS,
                    "price": 0.02 * (DIAMETERS / 10) ** power,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_the_line_of_a_square_law_on_paper():
    (line,) = price_lines(prices(unet__cross_entropy=2))
    assert line.power == pytest.approx(2)
    assert line.at_reference == pytest.approx(0.02)
    assert line.relative(3.0) == pytest.approx(0.09)
    assert (line.num_lesions, line.num_free) == (12, 0)


def test_lesions_that_cost_nothing_are_counted_and_not_in_the_line():
    table = prices(net__rpn_box=1)
    table.loc[:2, "price"] = 0
    (line,) = price_lines(table)
    assert (line.num_lesions, line.num_free) == (9, 3)
    assert line.power == pytest.approx(1)
    assert "net, rpn_box (3)" in price_words(table)[-1]


def test_too_few_prices_have_no_line():
    table = prices(net__rpn_box=1)
    assert price_lines(table.head(4)) == []
    assert price_lines(table.assign(diameter_mm=4.0)) == []
    assert price_words(table.head(4)) == [
        "No loss term charges for enough lesions to tell its price by size."
    ]


def test_pixels_that_let_small_lesions_go_cheaply_are_said():
    first, verdict = price_words(prices(unet__cross_entropy=2, net__rpn_objectness=0.4))
    assert "unet, cross_entropy: 1/11; net, rpn_objectness: 1/1.6" in first
    assert "12 validation lesions" in first
    assert verdict.startswith("Every loss over pixels lets a small lesion go more cheaply")


def test_a_detector_that_is_no_better_is_said():
    *_, verdict = price_words(prices(unet__cross_entropy=2, net__rpn_objectness=2.5))
    assert "the detector has no advantage of this kind" in verdict


def test_one_term_that_is_as_cheap_as_pixels_is_named():
    *_, verdict = price_words(
        prices(unet__cross_entropy=2, net__rpn_objectness=0.2, net__roi_mask=2.2)
    )
    assert verdict.endswith("net, roi_mask do not.") or "net, roi_mask does not." in verdict


def test_small_lesions_may_cost_more():
    (first,) = price_words(prices(net__rpn_box=-0.5))
    assert "net, rpn_box: 1.8 times as much" in first


@pytest.mark.parametrize("width", [MEDIUM, NARROW])
def test_the_plot_has_a_line_and_marks_for_each_term(width):
    powers = {f"net__term{n}": n / 4 for n in range(8)}
    with style():
        figure = price_plot(prices(**powers), width)
        assert as_png(figure)
    (axis,) = figure.axes
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 8
    looks = {(h.get_color(), str(h._unscaled_dash_pattern)) for h in legend.legend_handles}
    assert len(looks) == 8
    assert axis.get_xscale() == axis.get_yscale() == "log"
