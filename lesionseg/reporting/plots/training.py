"""How a training went: its loss terms, its validation and its learning rate by step."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesionseg.reporting.plots.style import COLOURS, LINES, MEDIUM, canvas, shown_name, style

LOG_COLUMNS = ["step", "seconds", "name", "value"]
RATE = "learning_rate"
PANELS = {  # rows of the log that have a panel of their own, with its title
    "val_recall": "Validation: share of lesions found",
    "val_fp_per_scan": "Validation: false positives a scan",
    RATE: "Learning rate",
}


def training_curves(log: pd.DataFrame) -> Figure:
    """A panel of all loss terms, and one of each other value that the log has.

    log: LOG_COLUMNS, as log.csv. Raises ValueError for other columns, or no row.
    """
    if list(log.columns) != LOG_COLUMNS or log.empty:
        raise ValueError(f"want rows of {', '.join(LOG_COLUMNS)}")
    terms = [name for name in dict.fromkeys(log["name"]) if name not in PANELS]
    panels = ([terms] if terms else []) + [[n] for n in PANELS if n in set(log["name"])]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with style():
        figure, axes = canvas(MEDIUM, 2.6 * rows, columns, rows)
        for ax, names in zip(axes, panels):
            _panel(ax, log, names, PANELS.get(names[0], "Loss, by term"))
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
    return figure


def _panel(ax: Axes, log: pd.DataFrame, names: list[str], title: str) -> None:
    positive = True
    for place, name in enumerate(names):
        mine = log[log["name"] == name]
        positive &= bool((mine["value"] > 0).all())
        ax.plot(
            mine["step"],
            mine["value"],
            color=COLOURS[place % len(COLOURS)],
            linestyle=LINES[place % len(LINES)],
            marker="o" if len(mine) == 1 else "",
            markersize=3,
            linewidth=1.4,
            label=shown_name(name),
        )
    ax.set_title(title)
    ax.set_xlabel("step")
    if names[0] not in PANELS:
        if positive:  # terms differ by orders of magnitude
            ax.set_yscale("log")
        ax.legend(fontsize=8)
    elif names[0] != RATE:
        ax.set_ylim(bottom=0)
