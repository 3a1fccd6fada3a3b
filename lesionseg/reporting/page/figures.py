"""The plots of a report, as files and for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lesionseg.reporting.page.outputs import announce, write_bytes
from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.page.report_tables import Tables
from lesionseg.reporting.plots.imbalance import imbalance_plot
from lesionseg.reporting.plots.missing_price import price_lines, price_plot
from lesionseg.reporting.plots.score import calibration_plot, froc_plot
from lesionseg.reporting.plots.size import bucket_plot, dice_by_size, recall_by_size
from lesionseg.reporting.plots.style import (
    MEDIUM,
    NARROW,
    WIDE,
    Look,
    as_data_uri,
    as_png,
    looks,
    style,
)
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

Maker = tuple[Callable[[float], Figure], float, str]  # of a width in inches; the page's; alt text


def draw_plots(
    output: Path,
    lesions: pd.DataFrame,
    tables: Tables,
    summary: Summary,
    buckets: SizeBuckets,
    page_info: PageInfo,
) -> dict[str, dict[str, str]]:
    """Each plot for a page and for a phone as data URIs; the page's also as a PNG file.

    lesions: of the cases compared, one training of each model.
    """
    by_model = looks(summary.models)
    makers = _by_size(lesions, tables, summary, buckets, by_model)
    prices = page_info.prices
    if prices is not None and price_lines(prices):
        makers["price"] = (
            lambda width: price_plot(prices, width),
            MEDIUM,
            "Price of missing one lesion against its diameter, by loss term",
        )
    if len(tables.froc):
        makers |= _by_score(lesions, tables, summary, buckets, by_model)
    announce(output, [f"figures/{name}.png" for name in makers])
    found = {}
    with style():
        for name, (make, width, alt) in makers.items():
            wide = make(width)
            write_bytes(output / "figures" / f"{name}.png", as_png(wide))
            narrow = make(NARROW)
            found[name] = {"wide": as_data_uri(wide), "narrow": as_data_uri(narrow), "alt": alt}
    return found


def _by_size(
    lesions: pd.DataFrame,
    tables: Tables,
    summary: Summary,
    buckets: SizeBuckets,
    by_model: Mapping[str, Look],
) -> dict[str, Maker]:
    makers: dict[str, Maker] = {
        "buckets": (
            lambda width: bucket_plot(summary, buckets, by_model, width),
            WIDE,
            "Recall, region Dice and false positives a scan by lesion size and model",
        ),
        "dice": (
            lambda width: dice_by_size(lesions, buckets, by_model, width),
            WIDE,
            "Region Dice of each lesion against its diameter, by model",
        ),
        "imbalance": (
            lambda width: imbalance_plot(tables.imbalance, buckets, width),
            MEDIUM,
            "Shares of lesions and of lesion voxels by size",
        ),
    }
    if len(tables.recall_by_diameter):
        makers["recall"] = (
            lambda width: recall_by_size(tables.recall_by_diameter, buckets, by_model, width),
            MEDIUM,
            "Share of lesions found against their diameter, at matched false positives, by model",
        )
    return makers


def _by_score(
    lesions: pd.DataFrame,
    tables: Tables,
    summary: Summary,
    buckets: SizeBuckets,
    by_model: Mapping[str, Look],
) -> dict[str, Maker]:
    present = set(lesions.loc[lesions["kind"] == "reference", "bucket"])
    shown = [*(name for name in buckets.names if name in present), ALL_SIZES]
    scored = {m: by_model[m] for m in summary.models if m in set(tables.froc["model"])}
    return {
        "froc": (
            lambda width: froc_plot(tables.froc, summary, buckets, shown, scored, width),
            WIDE,
            "Sensitivity against false positives a scan by lesion size and model",
        ),
        "calibration": (
            lambda width: calibration_plot(tables.calibration, scored, width),
            MEDIUM,
            "Share of true lesions among candidates against their score, by model",
        ),
    }
