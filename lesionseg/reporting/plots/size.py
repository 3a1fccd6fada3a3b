"""Plots against lesion size: each takes tables and a width in inches, and returns a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lesionseg.evaluation.metric import Metric
from lesionseg.reporting.plots.style import HAIR, QUIET, WIDE, Look, canvas, short_range, shown_name
from lesionseg.reporting.scoring.lookup import Summary, few_mark, metrics_in
from lesionseg.size_buckets import SizeBuckets
from lesionseg.wording import counted

RUNNING = 12  # a running median spans one in so many of the lesions, and at least
FEWEST = 15  # so many, where there are
POINTS = 400  # of a running median that are drawn, at most
HEADROOM = 1.04  # of an axis, above the largest value there can be
CROWD = 600  # lesions beyond which dots grow fainter


def bucket_plot(
    summary: Summary, buckets: SizeBuckets, looks: Mapping[str, Look], width: float
) -> Figure:
    """A panel a metric that is plotted by size, with 95 % intervals over patients."""
    wide = width >= WIDE
    shown = metrics_in("plot")
    num = len(shown)
    figure, axes = canvas(
        width, 2.9 if wide else 6.6 * (num / 3), *((num, 1) if wide else (1, num))
    )
    for axis, metric in zip(axes, shown):
        bucket_panel(axis, metric, summary, buckets, looks)
        axis.set_title(metric.heading)
    axes[0].set_xlabel("")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=len(looks))
    return figure


def bucket_panel(
    axis: Axes, metric: Metric, summary: Summary, buckets: SizeBuckets, looks: Mapping[str, Look]
) -> None:
    """One metric by size, with the numbers of lesions and patients below."""
    names = list(buckets.names)
    for i, (model, look) in enumerate(looks.items()):
        offset = (i - (len(looks) - 1) / 2) * 0.18
        rows = [summary.row(model, metric.key, name) for name in names]
        values = np.array(
            [[metric.scale * r[k] if r else np.nan for k in ("value", "low", "high")] for r in rows]
        )
        few = np.array([r is None or bool(few_mark(r)) for r in rows])
        _dots(axis, np.arange(len(names)) + offset, values, few, look, model)
    axis.set_xlim(-0.6, len(names) - 0.4)
    axis.set_ylim(bottom=0)
    if metric.top is not None:
        axis.set_ylim(0, HEADROOM * metric.top * metric.scale)
    axis.grid(axis="x", visible=False)
    counts = [summary.row(next(iter(looks)), "recall", n) for n in names]
    axis.set_xticks(
        range(len(names)),
        [
            f"{short_range(buckets, n)}\nn = {c['num_lesions'] if c else 0}"
            f"\n{counted(c['num_patients'] if c else 0, 'patient')}"
            for n, c in zip(names, counts)
        ],
    )
    axis.tick_params(axis="x", length=0, labelsize=8)


def _dots(
    axis: Axes,
    x: NDArray[Any],
    values: NDArray[Any],
    few: NDArray[np.bool_],
    look: Look,
    label: str,
) -> None:
    """Marks with intervals; hollow ones where a figure is of few patients."""
    middle, low, high = values.T
    axis.vlines(x, low, high, colors=look.colour, linewidth=2, alpha=0.55)
    axis.plot([], [], look.marker, color=look.colour, markersize=6.5, label=shown_name(label))
    for hollow, inside, edge in ((False, look.colour, "white"), (True, "white", look.colour)):
        mine = few == hollow
        axis.plot(
            x[mine],
            middle[mine],
            look.marker,
            color=inside,
            markersize=6.5,
            markeredgecolor=edge,
        )


def dice_by_size(
    lesions: pd.DataFrame, buckets: SizeBuckets, looks: Mapping[str, Look], width: float
) -> Figure:
    """A dot for each reference lesion, a running median for each model, and the ceiling of
    annotation noise."""
    figure, (axis,) = canvas(width, 4.2 if width >= WIDE else 3.6)
    number = dice_panel(axis, lesions, buckets, looks)
    axis.set_title(f"Region Dice of each lesion (n = {number})")
    figure.legend(loc="outside lower left", ncols=len(looks) + 1 if width >= WIDE else 2)
    return figure


def dice_panel(
    axis: Axes, lesions: pd.DataFrame, buckets: SizeBuckets, looks: Mapping[str, Look]
) -> int:
    """The dots and lines of `dice_by_size`, and of how many lesions they are."""
    reference = lesions[lesions["kind"] == "reference"]
    number = 0
    for model, look in looks.items():
        mine = reference[reference["model"] == model].sort_values("diameter_mm")
        x, y = mine["diameter_mm"].to_numpy(), mine["region_dice"].to_numpy()
        number = len(x)
        axis.plot(
            x,
            y,
            look.marker,
            color=look.colour,
            markersize=3.2,
            alpha=0.35 * min(1.0, (CROWD / max(number, 1)) ** 0.5),
            markeredgewidth=0,
            rasterized=True,
        )
        axis.plot(
            *_running_median(x, y),
            color=look.colour,
            linestyle=look.line,
            linewidth=2,
            label=shown_name(model),
        )
    ceiling = reference.drop_duplicates(["case", "lesion_id"]).sort_values("diameter_mm")
    if len(ceiling):
        line = _running_median(
            ceiling["diameter_mm"].to_numpy(), ceiling["half_voxel_dice"].to_numpy()
        )
        axis.plot(
            *line, color=QUIET, linewidth=1.2, linestyle=(0, (2, 2)), label="half-voxel ceiling"
        )
    _diameter_axis(axis, reference["diameter_mm"], buckets)
    return number


def _within(tick: float, diameters: pd.Series) -> bool:
    if diameters.empty:
        return tick in (1, 10)
    return bool(diameters.min() * 0.8 <= tick <= diameters.max() * 1.2)


def _running_median(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Medians of x and y in a window that slides over the lesions in order of size.

    At both ends the window narrows, so that the line reaches nearly to the smallest and largest.
    """
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    widest = max(FEWEST, len(x) // RUNNING) // 2
    half = np.clip(np.minimum(places, len(x) - 1 - places), FEWEST // 2, widest)
    spans = [slice(max(0, p - h), p + h + 1) for p, h in zip(places, half)]
    return np.array([np.median(x[s]) for s in spans]), np.array([np.median(y[s]) for s in spans])


def _diameter_axis(axis: Axes, diameters: pd.Series, buckets: SizeBuckets) -> None:
    """Diameters in mm on a logarithmic axis, the edges of the size buckets drawn."""
    axis.set_xscale("log")
    ticks = [d for d in (0.5, 1, 2, 3, 5, 10, 20, 50, 100) if _within(d, diameters)]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_xticks([], minor=True)
    for edge in buckets.edges_mm:
        axis.axvline(edge, color=HAIR, linewidth=1.2, zorder=0)
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlabel("diameter of the equal-volume sphere, mm")


def recall_by_size(
    table: pd.DataFrame, buckets: SizeBuckets, looks: Mapping[str, Look], width: float
) -> Figure:
    """Recall against diameter at matched false positives, a line a model; table: of
    `recall_by_diameter`."""
    figure, (axis,) = canvas(width, 3.2)
    recall_panel(axis, table, buckets, looks)
    axis.set_ylabel("share found")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=len(looks))
    return figure


def recall_panel(
    axis: Axes, table: pd.DataFrame, buckets: SizeBuckets, looks: Mapping[str, Look]
) -> None:
    """The lines of `recall_by_size`."""
    for model, look in looks.items():
        mine = table[table["model"] == model]
        axis.plot(
            mine["diameter_mm"],
            mine["recall"],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            markersize=4,
            linewidth=1.8,
            label=shown_name(model),
        )
    _diameter_axis(axis, table["diameter_mm"], buckets)
