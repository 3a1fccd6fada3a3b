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
    assert line.charged_small == pytest.approx(1 - 3 / (DIAMETERS < 5).sum())
    assert line.small == pytest.approx(0.3 * line.charged_small)
    assert "net, rpn_box (3)" in price_words(table)[-1]


def test_a_term_that_charges_for_large_lesions_alone_has_no_price_at_3_mm():
    """A line through large lesions says nothing of small ones, however flat it is."""
    table = prices(unet__cross_entropy=3, net__rpn_objectness=0)
    own = table["model"] == "net"
    table.loc[own & (table["diameter_mm"] < 5), "price"] = 0
    first, verdict, _ = price_words(table)
    assert "net, rpn_objectness: nothing below 5." in first
    assert verdict.endswith("So unet, net can pass over small lesions at little cost.")


def test_too_few_prices_have_no_line():
    table = prices(net__rpn_box=1)
    assert price_lines(table.head(4)) == []
    assert price_lines(table.assign(diameter_mm=4.0)) == []
    assert price_words(table.head(4)) == [
        "No loss term charges for enough lesions to tell its price by size."
    ]


def test_a_network_all_of_whose_losses_are_cheap_is_said():
    first, verdict = price_words(
        prices(unet__cross_entropy=2, net__rpn_objectness=0.4, net__roi_mask=2)
    )
    assert "unet, cross_entropy: 1/11; net, rpn_objectness: 1/1.6; net, roi_mask: 1/11" in first
    assert "12 validation lesions" in first
    assert "charges: unet 1/11 (cross_entropy); net 1/1.6 (rpn_objectness)." in verdict
    assert verdict.endswith("So unet can pass over small lesions at little cost, and net cannot.")


def test_a_detector_that_is_no_better_is_said():
    *_, verdict = price_words(prices(unet__cross_entropy=2, net__rpn_objectness=2.5))
    assert verdict.endswith("So unet, net can pass over small lesions at little cost.")


def test_a_u_net_that_is_no_worse_is_said():
    *_, verdict = price_words(prices(unet__cross_entropy=0.1, net__rpn_objectness=0.2))
    assert verdict.endswith("So unet, net cannot pass over small lesions at little cost.")


def test_losses_of_boxes_decide_nothing():
    *_, verdict = price_words(prices(net__rpn_objectness=2, net__rpn_box=0))
    assert "net 1/11 (rpn_objectness)" in verdict
    *_, nothing = price_words(prices(net__rpn_box=0))
    assert nothing == "No loss that says whether there is a lesion was measured."


def test_small_lesions_may_cost_more():
    first, _ = price_words(prices(net__rpn_box=-0.5))
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
