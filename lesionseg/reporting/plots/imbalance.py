"""Shares of lesions and of voxels by lesion size, as bars and in words; the table of loss shares.

Shares of the loss and of its gradient of a trained network measure what error is left, not what the
network attends to. They are checked here and written as a CSV, and nothing is concluded from them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lesionseg.errors import UsageError
from lesionseg.reporting.plots.style import INK, MEDIUM, canvas, short_range
from lesionseg.reporting.scoring.lookup import percent
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.csv_table import read_frame

BACKGROUND = "background"
LOSS_COLUMNS = ["model", "term", "class", "bucket", "share_loss", "share_gradient"]
DARKEST, LIGHTEST = 0x2E, 0xC4


def read_loss_shares(path: Path, buckets: SizeBuckets) -> pd.DataFrame:
    """The measured shares of training loss and gradient, as `check_loss_shares` wants them."""
    try:
        table = read_frame(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"loss_shares: {path} cannot be read as CSV") from error
    return check_loss_shares(table, buckets)


def check_loss_shares(table: pd.DataFrame, buckets: SizeBuckets) -> pd.DataFrame:
    """A table of LOSS_COLUMNS: one row per model, loss term, class and bucket; "background" last.

    share_loss and share_gradient are shares of that term's sum, 0 to 1. Raises UsageError for a
    missing column, an unknown bucket or a share outside 0 to 1.
    """
    if missing := [c for c in LOSS_COLUMNS if c not in table]:
        raise UsageError(f"loss_shares has no column {missing[0]}; want {', '.join(LOSS_COLUMNS)}")
    known = {*buckets.names, BACKGROUND}
    if unknown := sorted(set(table["bucket"]) - known):
        raise UsageError(f"loss_shares has bucket {unknown[0]!r}; want one of {sorted(known)}")
    shares = table[["share_loss", "share_gradient"]]
    if (
        not all(pd.api.types.is_numeric_dtype(shares[c]) for c in shares)
        or not (shares.isna() | ((shares >= 0) & (shares <= 1 + 1e-6))).to_numpy().all()
    ):
        raise UsageError("loss_shares: share_loss and share_gradient must be between 0 and 1")
    return table[LOSS_COLUMNS]


def imbalance_plot(shares: pd.DataFrame, buckets: SizeBuckets, width: float) -> Figure:
    """Two stacked bars, lesions and lesion voxels; sizes run from dark (smallest) to light."""
    rows = [
        (label, _in_order(shares, column, buckets))
        for label, column in (
            ("lesions", "share_lesions"),
            ("lesion voxels", "share_lesion_voxels"),
        )
    ]
    wide = width >= MEDIUM
    above = not wide  # a phone has no room for labels beside the bars
    figure, (axis,) = canvas(width, (0.62 if above else 0.42) * len(rows) + 0.9)
    for y, (label, values) in enumerate(rows):
        _stacked(axis, y, values, buckets)
        if above:
            axis.text(0, y - 0.38, label, va="bottom", fontsize=8.5)
    axis.set_yticks(range(len(rows)), [label for label, _ in rows] if wide else [])
    axis.set_ylim(len(rows) - 0.5, -0.85 if above else -0.5)
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.tick_params(axis="y", length=0)
    handles = [
        Patch(facecolor=_shade(i, buckets), label=short_range(buckets, n))
        for i, n in enumerate(buckets.names)
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=5 if wide else 3, fontsize=8.5)
    return figure


def _in_order(table: pd.DataFrame, column: str, buckets: SizeBuckets) -> list[float]:
    by_bucket = table.set_index("bucket")[column]
    return [float(by_bucket.get(name, 0.0)) for name in buckets.names]


def _stacked(axis: Axes, y: int, values: list[float], buckets: SizeBuckets) -> None:
    left = 0.0
    for i, share in enumerate(np.nan_to_num(values)):
        colour = _shade(i, buckets)
        axis.barh(y, share, left=left, height=0.62, linewidth=0.8, color=colour, edgecolor="white")
        if share > 0.06:
            ink = INK if i >= (len(buckets.names) + 1) // 2 else "white"
            text = f"{percent(share)} %"
            axis.text(left + share / 2, y, text, ha="center", va="center", color=ink, fontsize=8.5)
        left += share


def _shade(i: int, buckets: SizeBuckets) -> str:
    """A blue-grey from dark (smallest) to light, for the size buckets."""
    level = DARKEST + (LIGHTEST - DARKEST) * i // max(len(buckets.names) - 1, 1)
    return f"#{level:02x}{min(level + 16, 255):02x}{min(level + 32, 255):02x}"


def imbalance_words(shares: pd.DataFrame, buckets: SizeBuckets) -> list[str]:
    """The bars in sentences."""
    sizes = shares.set_index("bucket").loc[list(buckets.names)]
    if sizes["num_lesions"].sum() == 0:
        return ["There are no reference lesions."]
    count = min(2, len(buckets.edges_mm))
    small, words = list(buckets.names[:count]), f"under {buckets.edges_mm[count - 1]:g} mm"
    of_lesions = sizes.loc[small, "share_lesions"].sum()
    of_voxels = sizes.loc[small, "share_lesion_voxels"].sum()
    return [
        f"Lesions {words} are {percent(of_lesions)} % of the lesions and {percent(of_voxels)} % of "
        f"the lesion voxels. All lesions together are "
        f"{percent(sizes['share_voxels'].sum(), 2)} % of all voxels."
    ]
