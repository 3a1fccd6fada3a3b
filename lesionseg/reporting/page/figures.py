"""The plots and pictures of a report, as files and for the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.page.report_tables import Tables
from lesionseg.reporting.pictures.draw import Pictures
from lesionseg.reporting.plots.imbalance import imbalance_plot
from lesionseg.reporting.plots.score import calibration_plot, froc_plot
from lesionseg.reporting.plots.size import bucket_plot, dice_by_size
from lesionseg.reporting.plots.style import MEDIUM, NARROW, WIDE, as_data_uri, as_png, looks, style
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.storage.atomic import replacing


def draw_plots(
    folder: Path,
    lesions: pd.DataFrame,
    tables: Tables,
    summary: Summary,
    buckets: SizeBuckets,
    page_info: PageInfo,
) -> dict[str, dict[str, str]]:
    """Each plot for a page and for a phone as data URIs; the page's also as a PNG file.

    lesions: one training of each model.
    """
    by_model = looks(summary.models)
    shown = [
        *(
            n
            for n in buckets.names
            if lesions.loc[lesions["kind"] == "reference", "bucket"].eq(n).any()
        ),
        ALL_SIZES,
    ]
    makers: dict[str, tuple[Callable[[float], Figure], float, str]] = {
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
            lambda width: imbalance_plot(tables.imbalance, page_info.loss_shares, buckets, width),
            MEDIUM,
            "Shares of lesions, of lesion voxels and of the training loss by size",
        ),
    }
    if len(tables.froc):
        scored_models = {m: by_model[m] for m in summary.models if m in set(tables.froc["model"])}
        makers["froc"] = (
            lambda width: froc_plot(tables.froc, summary, buckets, shown, scored_models, width),
            WIDE,
            "Sensitivity against false positives a scan by lesion size and model",
        )
        makers["calibration"] = (
            lambda width: calibration_plot(tables.calibration, scored_models, width),
            MEDIUM,
            "Share of true lesions among candidates against their score, by model",
        )
    found = {}
    with style():
        for name, (make, width, alt) in makers.items():
            wide = make(width)
            _write_bytes(folder / f"{name}.png", as_png(wide))
            narrow = make(NARROW)
            found[name] = {"wide": as_data_uri(wide), "narrow": as_data_uri(narrow), "alt": alt}
    return found


def write_pictures(folder: Path, pictures: Pictures, models: Sequence[str]) -> None:
    """As files; models and cases by number, because names may hold characters that files cannot."""
    for choice, picture, _ in pictures.overlays:
        _write_bytes(
            folder / f"overlay-{models.index(choice.model) + 1}-{choice.rank}.png", picture
        )
    for i, (miss, picture) in enumerate(pictures.atlas, 1):
        kind = "missed" if miss.kind == "missed" else "false-positive"
        _write_bytes(folder / "atlas" / f"{i:03d}-{kind}.png", picture)


def _write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)
