"""Shares of lesions, voxels, training loss and gradient by lesion size: as bars and in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lesionseg.errors import UsageError
from lesionseg.reporting.plots.style import INK, MEDIUM, canvas, short_range, shown_name
from lesionseg.reporting.scoring.lookup import percent
from lesionseg.size_buckets import SizeBuckets

BACKGROUND = "background"
LOSS_COLUMNS = ["model", "term", "bucket", "share_loss", "share_gradient"]
DARKEST, LIGHTEST = 0x2E, 0xC4
HATCH = "///"


def read_loss_shares(path: Path, buckets: SizeBuckets) -> pd.DataFrame:
    """The measured shares of training loss and gradient, as `check_loss_shares` wants them."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"loss_shares: {path} cannot be read as CSV") from error
    return check_loss_shares(table, buckets)


def check_loss_shares(table: pd.DataFrame, buckets: SizeBuckets) -> pd.DataFrame:
    """A table of LOSS_COLUMNS: one row per model, loss term and bucket or "background".

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


def imbalance_plot(
    shares: pd.DataFrame, losses: pd.DataFrame | None, buckets: SizeBuckets, width: float
) -> Figure:
    """Stacked bars, one a row: lesions, lesion voxels, then each loss term's loss and gradient.

    Sizes run from dark (smallest) to light; background is hatched. What is undefined has no bar.
    """
    rows: list[tuple[str, list[float]]] = [
        (label, _in_order(shares, column, buckets))
        for label, column in (
            ("lesions", "share_lesions"),
            ("lesion voxels", "share_lesion_voxels"),
        )
    ]
    if losses is not None:
        for (model, term), part in losses.groupby(["model", "term"], sort=False):
            for column, what in (("share_loss", "loss"), ("share_gradient", "gradient")):
                if part[column].notna().any():
                    name = shown_name(f"{model}, {term}: {what}")
                    rows.append((name, _in_order(part, column, buckets)))
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
    if losses is not None:
        handles.append(Patch(facecolor="white", edgecolor=INK, hatch=HATCH, label=BACKGROUND))
    figure.legend(handles=handles, loc="outside lower left", ncols=5 if wide else 3, fontsize=8.5)
    return figure


def _in_order(table: pd.DataFrame, column: str, buckets: SizeBuckets) -> list[float]:
    by_bucket = table.set_index("bucket")[column]
    return [float(by_bucket.get(name, 0.0)) for name in (*buckets.names, BACKGROUND)]


def _stacked(axis: Axes, y: int, values: list[float], buckets: SizeBuckets) -> None:
    left = 0.0
    for i, share in enumerate(np.nan_to_num(values)):
        is_background = i == len(buckets.names)
        axis.barh(
            y, share, left=left, height=0.62, linewidth=0.8,
            color="white" if is_background else _shade(i, buckets),
            edgecolor=INK if is_background else "white",
            hatch=HATCH if is_background else None,
        )  # fmt: skip
        if share > 0.06:
            ink = INK if is_background or i >= (len(buckets.names) + 1) // 2 else "white"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if is_background else None
            place = left + share / 2, y
            text = f"{percent(share)} %"
            axis.text(*place, text, ha="center", va="center", color=ink, fontsize=8.5, bbox=box)
        left += share


def _shade(i: int, buckets: SizeBuckets) -> str:
    """A blue-grey from dark (smallest) to light, for the size buckets."""
    level = DARKEST + (LIGHTEST - DARKEST) * i // max(len(buckets.names) - 1, 1)
    return f"#{level:02x}{min(level + 16, 255):02x}{min(level + 32, 255):02x}"


def imbalance_words(
    shares: pd.DataFrame, losses: pd.DataFrame | None, buckets: SizeBuckets
) -> list[str]:
    """The bars in sentences."""
    sizes = shares.set_index("bucket").loc[list(buckets.names)]
    if sizes["num_lesions"].sum() == 0:
        return ["There are no reference lesions."]
    count = min(2, len(buckets.edges_mm))
    small, words = list(buckets.names[:count]), f"under {buckets.edges_mm[count - 1]:g} mm"
    of_lesions = sizes.loc[small, "share_lesions"].sum()
    of_voxels = sizes.loc[small, "share_lesion_voxels"].sum()
    said = [
        f"Lesions {words} are {percent(of_lesions)} % of the lesions and {percent(of_voxels)} % of "
        f"the lesion voxels. All lesions together are "
        f"{percent(sizes['share_voxels'].sum(), 2)} % of all voxels."
    ]
    if losses is None:
        return said
    for (model, term), part in losses.groupby(["model", "term"], sort=False):
        if part["share_gradient"].isna().all():
            said.append(f"{model}, {term}: the slabs measured gave it no gradient.")
            continue
        by_bucket = part.set_index("bucket")
        mine = by_bucket["share_gradient"].reindex([*small, BACKGROUND]).fillna(0.0)
        on_small, on_background = mine[small].sum(), mine[BACKGROUND]
        on_lesions = 1 - on_background
        among = on_small / on_lesions if on_lesions > 0 else float("nan")
        compared = "less than" if among < of_lesions else "at least"
        said.append(
            f"{model}, {term}: {percent(on_small, 1)} % of the gradient falls on lesions {words}, "
            f"{percent(on_background, 1)} % on background. Of what falls on lesions the small ones "
            f"have {percent(among)} %, {compared} their share of the lesions."
        )
    return said
