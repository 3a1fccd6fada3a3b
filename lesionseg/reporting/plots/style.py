"""One look for every plot: told apart by colour, also by the colour-blind, and by mark in print."""

from __future__ import annotations

import base64
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

# Okabe and Ito's palette, in an order whose lightness differs from one to the next.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
BRIGHT = ("#ff5a1f", "#3d9bff", "#35d19b", "#f0a3cf", "#ffb732", "#8fd3ff")  # on dark scans
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
INK, QUIET, HAIR = "#22272e", "#667079", "#d5dade"
WIDE, NARROW = 10.6, 3.7  # inches; at 100 pixels to the inch, a page and a phone
MEDIUM = 7.4  # a single plot on a page


@dataclass(frozen=True)
class Look:
    """How one model is drawn, everywhere."""

    colour: str
    bright: str
    marker: str
    line: object


def looks(models: Sequence[str]) -> Mapping[str, Look]:
    """A look for each model, by its position in the list."""
    return {
        model: Look(COLOURS[n], BRIGHT[n], MARKERS[n], LINES[n])
        for model, n in zip(models, itertools.cycle(range(len(COLOURS))))
    }


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib settings of the report, for the time of the block only."""
    settings: dict[Any, Any] = {
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.edgecolor": HAIR,
        "axes.labelcolor": QUIET,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": HAIR,
        "grid.linewidth": 0.6,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.color": INK,
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "lesionseg",
        "figure.constrained_layout.use": True,
    }
    with mpl.rc_context(settings):
        yield


def canvas(
    width: float, height: float, columns: int = 1, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches and its axes, row by row."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def as_png(figure: Figure) -> bytes:
    """The figure at 200 dots to the inch on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def as_data_uri(figure: Figure) -> str:
    """The figure as a transparent SVG in a data URI, its text in the reader's own system font."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=150, transparent=True, metadata={"Date": None})
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, 'Segoe UI', sans-serif", buffer.getvalue())
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def shown_name(name: str) -> str:
    """A user's own name as a plot shows it letter by letter: Matplotlib takes what stands between
    dollars for a formula, and hides labels that begin with an underscore."""
    letters = name.replace("$", r"\$")
    return f" {letters}" if letters.startswith("_") else letters


def short_range(buckets: SizeBuckets, name: str) -> str:
    """A size bucket's range as an axis has room for: "3-5 mm"."""
    if name == ALL_SIZES:
        return "all sizes"
    i, edges = buckets.names.index(name), buckets.edges_mm
    if i == 0:
        return f"< {edges[0]:g} mm"
    return f"\u2265 {edges[-1]:g} mm" if i == len(edges) else f"{edges[i - 1]:g}-{edges[i]:g} mm"
