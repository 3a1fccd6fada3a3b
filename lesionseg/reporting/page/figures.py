"""The plots of a report, as files and for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lesionseg.reporting.page.outputs import announce, write_bytes
from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.page.report_tables import ReportTables
from lesionseg.reporting.plots.classes import (
    dice_by_class,
    found_by_class,
    froc_by_class,
    recall_by_class,
)
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


@dataclass(frozen=True, eq=False)
class _Shown:
    """What is plotted. lesions: of the cases compared. summaries: of each of several classes.
    by_model: how each model is drawn."""

    lesions: pd.DataFrame
    tables: ReportTables
    summary: Summary
    summaries: Mapping[str, Summary]
    buckets: SizeBuckets
    by_model: Mapping[str, Look]


Maker = tuple[Callable[[float], Figure], float, str]  # of a width in inches; the page's; alt text


def draw_plots(
    output: Path,
    lesions: pd.DataFrame,
    tables: ReportTables,
    summary: Summary,
    summaries: Mapping[str, Summary],
    buckets: SizeBuckets,
    page_info: PageInfo,
) -> dict[str, dict[str, str]]:
    """Each plot for a page and for a phone as data URIs; the page's also as a PNG file.

    lesions: of the cases compared, one training of each model.
    """
    shown = _Shown(lesions, tables, summary, summaries, buckets, looks(summary.models))
    makers = _by_size(shown)
    prices = page_info.prices
    if prices is not None and price_lines(prices):
        makers["price"] = (
            lambda width: price_plot(prices, width),
            MEDIUM,
            "Price of missing one lesion against its diameter, by loss term",
        )
    if len(tables.whole.froc):
        makers |= _by_score(shown)
    if summaries:
        makers |= _by_class(shown)
    announce(output, [f"figures/{name}.png" for name in makers])
    found = {}
    with style():
        for name, (make, width, alt) in makers.items():
            wide = make(width)
            write_bytes(output / "figures" / f"{name}.png", as_png(wide))
            narrow = make(NARROW)
            found[name] = {"wide": as_data_uri(wide), "narrow": as_data_uri(narrow), "alt": alt}
    return found


def _by_size(shown: _Shown) -> dict[str, Maker]:
    buckets, by_diameter = shown.buckets, shown.tables.whole.recall_by_diameter
    makers: dict[str, Maker] = {
        "buckets": (
            lambda width: bucket_plot(shown.summary, buckets, shown.by_model, width),
            WIDE,
            "Recall, region Dice and false positives a scan by lesion size and model",
        ),
        "dice": (
            lambda width: dice_by_size(shown.lesions, buckets, shown.by_model, width),
            WIDE,
            "Region Dice of each lesion against its diameter, by model",
        ),
        "imbalance": (
            lambda width: imbalance_plot(shown.tables.whole.imbalance, buckets, width),
            MEDIUM,
            "Shares of lesions and of lesion voxels by size",
        ),
    }
    if len(by_diameter):
        makers["recall"] = (
            lambda width: recall_by_size(by_diameter, buckets, shown.by_model, width),
            MEDIUM,
            "Share of lesions found against their diameter, at matched false positives, by model",
        )
    return makers


def _by_score(shown: _Shown) -> dict[str, Maker]:
    tables, lesions = shown.tables.whole, shown.lesions
    present = set(lesions.loc[lesions["kind"] == "reference", "bucket"])
    names = [*(name for name in shown.buckets.names if name in present), ALL_SIZES]
    scored = {m: look for m, look in shown.by_model.items() if m in set(tables.froc["model"])}
    return {
        "froc": (
            lambda width: froc_plot(
                tables.froc, shown.summary, shown.buckets, names, scored, width
            ),
            WIDE,
            "Sensitivity against false positives a scan by lesion size and model",
        ),
        "calibration": (
            lambda width: calibration_plot(tables.calibration, scored, width),
            MEDIUM,
            "Share of true lesions among candidates against their score, by model",
        ),
    }


def _by_class(shown: _Shown) -> dict[str, Maker]:
    lesions = {name: shown.lesions[shown.lesions["class"] == name] for name in shown.summaries}
    tables, by_model = shown.tables.by_class, shown.by_model
    curves = {name: one.froc for name, one in tables.items() if len(one.froc)}
    diameters = {
        name: one.recall_by_diameter for name, one in tables.items() if len(one.recall_by_diameter)
    }
    makers: dict[str, Maker] = {
        "class_found": (
            lambda width: found_by_class(shown.summaries, shown.buckets, by_model, width),
            WIDE,
            "Share of lesions found by class, size and model",
        ),
        "class_dice": (
            lambda width: dice_by_class(lesions, shown.buckets, by_model, width),
            WIDE,
            "Region Dice of each lesion against its diameter, by class and model",
        ),
    }
    if curves:
        makers["class_froc"] = (
            lambda width: froc_by_class(curves, shown.summaries, by_model, width),
            WIDE,
            "Sensitivity against false positives a scan by class and model",
        )
    if diameters:
        makers["class_recall"] = (
            lambda width: recall_by_class(diameters, shown.buckets, by_model, width),
            WIDE,
            "Share of lesions found against their diameter, by class and model",
        )
    return makers
