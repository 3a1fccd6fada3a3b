"""Plots over scores: FROC by size, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesionseg.evaluation.froc import FROC_TARGETS
from lesionseg.evaluation.metrics import froc_metric
from lesionseg.reporting.plots.style import (
    MEDIUM,
    QUIET,
    WIDE,
    Look,
    canvas,
    short_range,
    shown_name,
)
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.size_buckets import SizeBuckets
from lesionseg.wording import counted

TICKS = {0.125: "1/8", 0.25: "1/4", 0.5: "1/2", 1: "1", 2: "2", 4: "4", 8: "8"}


def froc_plot(
    curves: pd.DataFrame,
    summary: Summary,
    buckets: SizeBuckets,
    names: Sequence[str],
    looks: Mapping[str, Look],
    width: float,
) -> Figure:
    """Sensitivity against false positives a scan, a panel for each of `names`, 95 % band.

    The large mark is the operating point of the masks; one beyond the last rate points there from
    the right edge.
    """
    wide = width >= WIDE
    columns = len(names) if wide else 2
    rows = -(-len(names) // columns)
    figure, axes = canvas(width, 3.1 if wide else 2.35 * rows + 0.4, columns, rows)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    for i, (axis, name) in enumerate(zip(axes, names)):
        number = froc_panel(axis, curves, summary, name, looks)
        row = summary.row(next(iter(looks)), "recall", name)
        who = counted(row["num_patients"] if row else 0, "patient")
        axis.set_title(f"{short_range(buckets, name)}\nn = {number}, {who}")
        if i % columns:
            axis.set_yticklabels([])
        else:
            axis.set_ylabel("sensitivity")
    figure.supxlabel("false positives a scan", color=QUIET, fontsize=9.5)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside upper left",
        ncols=len(looks) if wide else 2,
    )
    return figure


def froc_panel(
    axis: Axes, curves: pd.DataFrame, summary: Summary, name: str, looks: Mapping[str, Look]
) -> int:
    """One panel: the curves of all models for lesions of one size, of which there are so many."""
    number = 0
    for model, look in looks.items():
        curve = curves[(curves["model"] == model) & (curves["bucket"] == name)]
        if curve.empty:
            continue
        for i, (_, line) in enumerate(curve.groupby("training", sort=False)):
            axis.step(
                np.append(np.maximum(line["fp_per_scan"], 1e-3), FROC_TARGETS[-1] * 2),
                np.append(line["recall"], line["recall"].iloc[-1]),
                where="post",
                color=look.colour,
                linestyle=look.line,
                linewidth=1.8,
                label=None if i else shown_name(model),
            )
        points = [summary.row(model, froc_metric(t), name) for t in FROC_TARGETS]
        low, high = ([p[k] if p else np.nan for p in points] for k in ("low", "high"))
        axis.fill_between(FROC_TARGETS, low, high, color=look.colour, alpha=0.13, linewidth=0)
        at, hit = (
            summary.row(model, metric, bucket)
            for metric, bucket in (("fp_per_scan", "all"), ("recall", name))
        )
        if at and hit:
            beyond = at["value"] > FROC_TARGETS[-1]
            axis.plot(
                min(max(at["value"], FROC_TARGETS[0]), FROC_TARGETS[-1] * 1.1),
                hit["value"],
                ">" if beyond else look.marker,
                color=look.colour,
                markersize=8,
                markeredgecolor="white",
                zorder=5,
                clip_on=False,
            )
            number = hit["num_lesions"]
    axis.set_xscale("log")
    axis.set_xlim(FROC_TARGETS[0] * 0.85, FROC_TARGETS[-1] * 1.15)
    axis.set_xticks(list(TICKS), list(TICKS.values()))
    axis.set_xticks([], minor=True)
    axis.set_ylim(0, 1.02)
    axis.tick_params(labelsize=8)
    return number


def calibration_plot(table: pd.DataFrame, looks: Mapping[str, Look], width: float) -> Figure:
    """Share of true lesions among the candidates of each score, and how many there are."""
    wide = width >= MEDIUM
    figure, (axis, counts) = canvas(width, 3.4 if wide else 5.2, *((2, 1) if wide else (1, 2)))
    axis.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (2, 2)))
    for i, (model, look) in enumerate(looks.items()):
        mine = table[table["model"] == model]
        if mine.empty:
            continue
        axis.plot(
            mine["mean_score"], mine["share_true"], color=look.colour, linestyle=look.line,
            marker=look.marker, markersize=5.5, markeredgecolor="white", label=shown_name(model),
        )  # fmt: skip
        step = 0.1 / (len(looks) + 0.5)
        counts.bar(
            mine["low"] + step * (i + 0.75),
            mine["num_candidates"],
            step,
            color=look.colour,
            label=shown_name(model),
        )
    axis.set_title("True among candidates of a score")
    axis.set_ylim(0, 1.03)
    axis.set_ylabel("share that touch a lesion")
    counts.set_title("Candidates of a score")
    for part in (axis, counts):
        part.set_xlim(-0.02, 1.02)
        part.set_xlabel("score")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=len(looks))
    return figure
