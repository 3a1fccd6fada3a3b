"""Plots of several lesion classes: a panel a class, so that many weigh little more than one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesionseg.evaluation.metrics import METRICS
from lesionseg.reporting.plots.score import froc_panel
from lesionseg.reporting.plots.size import bucket_panel, dice_panel, recall_panel
from lesionseg.reporting.plots.style import QUIET, WIDE, Look, canvas, shown_name
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

ACROSS = (4, 2)  # panels, where the page is wide and on a phone
LETTERS = 9  # of a title that an inch has room for
DIAMETER = "diameter of the equal-volume sphere, mm"


def found_by_class(
    summaries: Mapping[str, Summary], buckets: SizeBuckets, looks: Mapping[str, Look], width: float
) -> Figure:
    """Lesions found by size, with 95 % intervals over patients."""

    def draw(axis: Axes, name: str) -> str:
        bucket_panel(axis, METRICS["recall"], summaries[name], buckets, looks)
        return ""

    return _panels(list(summaries), draw, looks, width, across=(2, 1), label="lesions found, %")


def dice_by_class(
    lesions: Mapping[str, pd.DataFrame],
    buckets: SizeBuckets,
    looks: Mapping[str, Look],
    width: float,
) -> Figure:
    """A dot a reference lesion, running medians and the half-voxel ceiling."""

    def draw(axis: Axes, name: str) -> str:
        return f"n = {dice_panel(axis, lesions[name], buckets, looks)}"

    return _panels(list(lesions), draw, looks, width, label="region Dice", below=DIAMETER)


def froc_by_class(
    curves: Mapping[str, pd.DataFrame],
    summaries: Mapping[str, Summary],
    looks: Mapping[str, Look],
    width: float,
) -> Figure:
    """Sensitivity to lesions of all sizes against the false positives of that class."""

    def draw(axis: Axes, name: str) -> str:
        number = froc_panel(axis, curves[name], summaries[name], ALL_SIZES, looks)
        return f"n = {number}"

    below = "false positives a scan"
    return _panels(list(curves), draw, looks, width, label="sensitivity", below=below)


def recall_by_class(
    tables: Mapping[str, pd.DataFrame],
    buckets: SizeBuckets,
    looks: Mapping[str, Look],
    width: float,
) -> Figure:
    """Recall against diameter at the matched number of false positives of each class."""

    def draw(axis: Axes, name: str) -> str:
        recall_panel(axis, tables[name], buckets, looks)
        return ""

    return _panels(list(tables), draw, looks, width, label="share found", below=DIAMETER)


def _panels(
    names: Sequence[str],
    draw: Callable[[Axes, str], str],
    looks: Mapping[str, Look],
    width: float,
    *,
    label: str,
    below: str = "",
    across: tuple[int, int] = ACROSS,
) -> Figure:
    """draw: fills the axis of a class and returns the second line of its title. label, below: of
    all upright and of all level axes."""
    wide = width >= WIDE
    columns = min(across[0] if wide else across[1], len(names))
    rows = -(-len(names) // columns)
    small = columns > 1 and not wide
    figure, axes = canvas(width, (2.0 if small else 2.6) * rows + 0.6, columns, rows)
    longest = int(LETTERS * width / columns)
    for i, axis in enumerate(axes):
        axis.set_visible(i < len(names))
        if i < len(names):
            second = draw(axis, names[i])
            name = names[i] if len(names[i]) <= longest else f"{names[i][: longest - 1]}\u2026"
            axis.set_title("\n".join(filter(None, (shown_name(name), second))))
        axis.set_ylabel("" if i % columns else label)
        axis.set_xlabel("")
        if small:
            axis.tick_params(labelsize=6)
    figure.supxlabel(below, color=QUIET, fontsize=9.5)
    num = len(looks) + 1 if wide else 2
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=num)
    return figure
