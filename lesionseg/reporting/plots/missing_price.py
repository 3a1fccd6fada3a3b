"""The price of missing one lesion, by loss term and lesion size: as a plot and in words.

Where a loss charges little for a small lesion, a network can pass over it and hardly notices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesionseg.reporting.plots.style import COLOURS, INK, LINES, MARKERS, MEDIUM, canvas
from lesionseg.wording import counted

PRICE_COLUMNS = ["model", "term", "case", "lesion", "class", "diameter_mm", "price"]
REFERENCE_MM = 10.0  # prices are told relative to a lesion of this diameter
SMALL_MM = 3.0  # that the sentence speaks of
UNDER_MM = 5.0  # lesions of which it is counted how many a term charges for
FEWEST = 5  # lesions of different size that a line is fitted to
CHEAP = 0.5  # of the price of a lesion of 10 mm


@dataclass(frozen=True)
class PriceLine:
    """How a term's price grows with the diameter: price = at_reference * (d / 10 mm) ** power.

    smallest_mm: of the lesions that it charges for, to which the line belongs. num_free: lesions
    for which it charges nothing, as it has no element on them; not in the line. charged_small:
    share of the lesions under 5 mm that it charges for.
    """

    model: str
    term: str
    at_reference: float
    power: float
    smallest_mm: float
    num_lesions: int
    num_free: int
    charged_small: float

    def relative(self, diameter_mm: float) -> float:
        """The price of missing a lesion of this size; 1 is that of a lesion of 10 mm."""
        return float((diameter_mm / REFERENCE_MM) ** self.power)

    @property
    def small(self) -> float:
        """What missing a lesion of 3 mm is expected to cost: 0 where only larger ones cost."""
        if self.smallest_mm > SMALL_MM:
            return 0.0
        return self.relative(SMALL_MM) * self.charged_small

    @property
    def label(self) -> str:
        return f"{self.model}, {self.term}"


def price_lines(prices: pd.DataFrame) -> list[PriceLine]:
    """A line through the logarithms of each term's prices, by least squares.

    Terms that charge for fewer than 5 lesions, or for lesions of one size only, have none.
    """
    lines = []
    for names, part in prices.groupby(["model", "term"], sort=False):
        model, term = map(str, names)
        charged = part[part["price"] > 0]
        if len(charged) < FEWEST or charged["diameter_mm"].nunique() < 2:
            continue
        logs = np.log(charged["diameter_mm"] / REFERENCE_MM), np.log(charged["price"])
        power, constant = np.polyfit(*logs, 1)
        small = part["diameter_mm"] < UNDER_MM
        lines.append(
            PriceLine(
                model=model,
                term=term,
                at_reference=float(np.exp(constant)),
                power=float(power),
                smallest_mm=float(charged["diameter_mm"].min()),
                num_lesions=len(charged),
                num_free=len(part) - len(charged),
                charged_small=float((part["price"] > 0)[small].mean()) if small.any() else 1.0,
            )
        )
    return lines


def price_words(prices: pd.DataFrame) -> list[str]:
    """What the plot shows, in sentences that can speak for and against the claim."""
    lines = price_lines(prices)
    if not lines:
        return ["No loss term charges for enough lesions to tell its price by size."]
    told = "; ".join(f"{line.label}: {_times(line)}" for line in lines)
    number = prices.drop_duplicates(["case", "lesion"]).shape[0]
    said = [
        f"What a loss charges for one missed lesion of {SMALL_MM:g} mm, against one of "
        f"{REFERENCE_MM:g} mm, all else as it is ({counted(number, 'validation lesion')}): {told}."
    ]
    said.append(_verdict(lines))
    if free := [f"{line.label} ({line.num_free})" for line in lines if line.num_free]:
        said.append(
            "Lesions that a term has no positive anchor or region on cost it nothing when they are "
            "missed. They are not in its line, and lower the price that is told by their share "
            f"under {UNDER_MM:g} mm: {', '.join(free)}."
        )
    return said


def _verdict(lines: list[PriceLine]) -> str:
    """A network passes over small lesions at little cost only if all of its losses let it.

    Losses of boxes are left out: they say where a lesion is, not whether there is one.
    """
    dearest: dict[str, PriceLine] = {}
    for line in lines:
        best = dearest.get(line.model)
        if not line.term.endswith("box") and (best is None or line.small > best.small):
            dearest[line.model] = line
    if not dearest:
        return "No loss that says whether there is a lesion was measured."
    told = "; ".join(f"{m} {_times(line)} ({line.term})" for m, line in dearest.items())
    cheap = [m for m, line in dearest.items() if line.small < CHEAP]
    dear = [m for m in dearest if m not in cheap]
    words = [f"{', '.join(cheap)} can pass over small lesions at little cost"] if cheap else []
    words += [f"{', '.join(dear)} cannot"] if dear and cheap else []
    words += (
        [f"{', '.join(dear)} cannot pass over small lesions at little cost"] if not cheap else []
    )
    return (
        "Of each network's losses that say whether there is a lesion, the one that is dearest for "
        f"a small one charges: {told}. So {', and '.join(words)}."
    )


def _times(line: PriceLine) -> str:
    if line.smallest_mm > SMALL_MM:
        return f"nothing below {line.smallest_mm:.2g} mm"
    share = line.small
    return f"1/{1 / share:.2g}" if share < 0.95 else f"{share:.2g} times as much"


def price_plot(prices: pd.DataFrame, width: float) -> Figure:
    """Price against diameter, both on logarithmic axes, relative to the line at 10 mm."""
    lines = price_lines(prices)
    wide = width >= MEDIUM
    figure, (axis,) = canvas(width, 4.0 if wide else 4.6)
    for number, line in enumerate(lines):
        mine = prices[(prices["model"] == line.model) & (prices["term"] == line.term)]
        mine = mine[mine["price"] > 0]
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        dashes = LINES[(number + number // len(COLOURS)) % len(LINES)]  # no pair comes twice
        axis.plot(
            mine["diameter_mm"],
            mine["price"] / line.at_reference,
            marker,
            color=colour,
            markersize=3,
            alpha=0.35,
            markeredgewidth=0,
        )
        ends = np.array([mine["diameter_mm"].min(), max(mine["diameter_mm"].max(), REFERENCE_MM)])
        axis.plot(
            ends,
            (ends / REFERENCE_MM) ** line.power,
            color=colour,
            linestyle=dashes,
            linewidth=2,
            label=f"{line.label}: {_times(line)}",
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.axhline(1, color=INK, linewidth=0.8, zorder=0)
    shown = prices["diameter_mm"]
    low_mm, high_mm = shown.min() * 0.9, shown.max() * 1.2
    ticks = [mm for mm in (0.5, 1, 2, 3, 5, 10, 20, 50) if low_mm <= mm <= high_mm]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_xticks([], minor=True)
    low = min((line.relative(float(shown.min())) for line in lines), default=0.1)
    decades = [10.0**n for n in range(int(np.floor(np.log10(low))), 2)]
    axis.set_yticks(decades, [f"1/{1 / d:g}" if d < 1 else f"{d:g}" for d in decades])
    axis.set_yticks([], minor=True)
    axis.set_ylim(low / 2, 20)
    axis.set_xlabel("diameter of the missed lesion, mm")
    axis.set_ylabel(f"price, {REFERENCE_MM:g} mm = 1")
    figure.legend(
        loc="outside upper left",
        ncols=2 if wide else 1,
        fontsize=8.5,
        title=f"price of a lesion of {SMALL_MM:g} mm, against {REFERENCE_MM:g} mm",
        alignment="left",
    )
    return figure
