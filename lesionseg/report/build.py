"""Score all cases and write everything: tables, figures and the page."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lesionseg.evaluation.buckets import SizeBuckets
from lesionseg.evaluation.counts import imbalance
from lesionseg.evaluation.summary import summarise
from lesionseg.io.atomic import replacing, write_text
from lesionseg.report import plots
from lesionseg.report.definitions import criterion, definitions
from lesionseg.report.headline import headline
from lesionseg.report.lookup import Summary, percent
from lesionseg.report.overlays import choose_cases, overlay
from lesionseg.report.page import render
from lesionseg.report.page_tables import case_heads, case_rows, size_heads, size_rows
from lesionseg.report.plot_style import NARROW, WIDE, as_data_uri, as_png, looks, style
from lesionseg.report.records import Choices, ReportCase
from lesionseg.report.scoring import Scored, score_cases
from lesionseg.report.slices import data_uri
from lesionseg.report.tables import write_csv, write_json
from lesionseg.report.terminal import size_table
from lesionseg.report.views import read_view

DEFAULT_TITLE = "Lesions found and missed, by size"
VERSIONS = ("lesionseg", "numpy", "scipy", "pandas", "connected-components-3d")


@dataclass(frozen=True, eq=False)
class Extras:
    """What the page says beyond the scores; all of it optional.

    training: (what, by model) rows that differ between the models. data_card, provenance: terms
    and texts. Nothing that names a person or a path of the machine belongs here.
    """

    title: str = DEFAULT_TITLE
    unmatched: Sequence[str] = ()
    data_card: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Report:
    """What was written. text: the table by size for a terminal. rejected: as in `Scored`."""

    page: Path
    summary: pd.DataFrame
    text: str
    headline: tuple[str, ...]
    rejected: tuple[tuple[str, str, str], ...]


def write_report(
    cases: Sequence[ReportCase],
    output: Path,
    choices: Choices | None = None,
    *,
    workers: int | None = None,
    extras: Extras | None = None,
) -> Report | None:
    """Score `cases` and write lesions.csv, predictions.csv, cases.csv, imbalance.csv, summary.csv,
    summary.json, figures/*.png and report.html into `output`.

    None where every case was rejected; then nothing but rejected.csv is written. Raises OutputError
    where the folder cannot be written.
    """
    choices, extras, output = choices or Choices(), extras or Extras(), Path(output)
    scored = score_cases(cases, choices, workers=workers)
    write_csv(
        output / "rejected.csv", pd.DataFrame(scored.rejected, columns=["model", "case", "reason"])
    )
    if scored.cases.empty:
        return None
    buckets = SizeBuckets.from_edges(choices.edges_mm)
    summary = summarise(
        scored.lesions,
        scored.predictions,
        scored.cases,
        buckets,
        draws=choices.draws,
        seed=choices.seed,
    )
    shares = imbalance(scored.lesions, scored.cases, buckets)
    for name, table in {
        "lesions": scored.lesions,
        "predictions": scored.predictions,
        "cases": scored.cases,
        "summary": summary,
        "imbalance": shares,
    }.items():
        write_csv(output / f"{name}.csv", table)
    found = Summary(summary)
    sentences = headline(found, buckets)
    write_json(output / "summary.json", _summary_json(summary, sentences, choices, scored))
    content = {
        "title": extras.title,
        "headline": sentences,
        "warnings": [],
        "contents": [
            ("sizes", "By size"),
            ("dice", "Dice by size"),
            ("imbalance", "Imbalance"),
            ("pictures", "Pictures"),
            ("cases", "Cases"),
            ("definitions", "Definitions"),
            ("provenance", "Provenance"),
        ],
        "criterion": criterion(choices),
        "size_table": {
            "heads": size_heads(found, buckets),
            "rows": size_rows(found, buckets),
            "foot": f"Pooled over {len(set(scored.cases['case']))} scans.",
        },
        "dice_caption": "Every dot is a reference lesion; lines are running medians. The dotted "
        "line is the Dice of the reference with itself shifted by half a voxel.",
        "imbalance": {"sentence": _imbalance_sentence(shares, buckets)},
        "plots": _plots(output, found, scored, shares, buckets),
        "overlays": _overlays(output, cases, scored, choices),
        "case_table": {"heads": case_heads(), "rows": case_rows(scored.cases)},
        "left_out": [*extras.unmatched, *(_rejection(*r) for r in scored.rejected)],
        "notes": scored.notes,
        "definitions": definitions(choices),
        "provenance": list(_provenance(extras).items()),
    }
    page = output / "report.html"
    write_text(page, render(content))
    text = size_table(summary, buckets, found_iou=choices.found_iou)
    return Report(page, summary, text, tuple(sentences), scored.rejected)


def _plots(
    output: Path, summary: Summary, scored: Scored, shares: pd.DataFrame, buckets: SizeBuckets
) -> dict[str, dict[str, str]]:
    by_model = looks(summary.models)
    makers = {
        "buckets": (
            lambda w: plots.bucket_plot(summary, buckets, by_model, w),
            "Recall, region Dice and false positives a scan by lesion size and model",
        ),
        "dice": (
            lambda w: plots.dice_by_size(scored.lesions, buckets, by_model, w),
            "Region Dice of each lesion against its diameter, by model",
        ),
        "imbalance": (
            lambda w: plots.imbalance_plot(shares, buckets, w),
            "Share of lesions and of lesion voxels by size",
        ),
    }
    found = {}
    with style():
        for name, (make, alt) in makers.items():
            wide: Figure = make(WIDE)
            _write_bytes(output / "figures" / f"{name}.png", as_png(wide))
            found[name] = {
                "wide": as_data_uri(wide),
                "narrow": as_data_uri(make(NARROW)),
                "alt": alt,
            }
    return found


def _overlays(
    output: Path, cases: Sequence[ReportCase], scored: Scored, choices: Choices
) -> list[dict[str, Any]]:
    models = list(dict.fromkeys(scored.cases["model"]))
    by_model = looks(models)
    by_case = {case.case: case for case in cases}
    groups: dict[str, list[dict[str, str]]] = {model: [] for model in models}
    for choice in choose_cases(scored.cases):
        view = read_view(by_case[choice.case], [choice.model], choices)
        picture, place = overlay(view, choice.model, by_model)
        name = f"{models.index(choice.model) + 1}-{choice.rank}"
        _write_bytes(output / "figures" / f"overlay-{name}.png", picture)
        groups[choice.model].append(
            {
                "source": data_uri(picture),
                "alt": f"{choice.rank} case of {choice.model}",
                "caption": f"{choice.rank.capitalize()}: {choice.case}, "
                f"Dice {choice.dice:.2f}, {place}",
            }
        )
    return [{"model": model, "plates": plates} for model, plates in groups.items()]


def _imbalance_sentence(shares: pd.DataFrame, buckets: SizeBuckets) -> str:
    sizes = shares.set_index("bucket").loc[list(buckets.names)]
    if sizes["num_lesions"].sum() == 0:
        return "There are no reference lesions."
    small = sizes.iloc[: min(2, len(buckets.names) - 1)]
    words = f"under {buckets.edges_mm[len(small) - 1]:g} mm"
    return (
        f"Lesions {words} are {percent(small['share_lesions'].sum(), 1)} % of the lesions and "
        f"{percent(small['share_lesion_voxels'].sum(), 1)} % of the lesion voxels; all lesions "
        f"together are {percent(sizes['share_voxels'].sum(), 2)} % of all voxels."
    )


def _summary_json(
    summary: pd.DataFrame, sentences: list[str], choices: Choices, scored: Scored
) -> dict[str, Any]:
    return {
        "headline": sentences,
        "settings": vars(choices),
        "versions": _versions(),
        "num_cases": len(set(scored.cases["case"])),
        "num_patients": len(set(scored.cases["patient"])),
        "models": list(dict.fromkeys(scored.cases["model"])),
        "rejected": [dict(zip(("model", "case", "reason"), r)) for r in scored.rejected],
        "notes": list(scored.notes),
        "figures": summary.to_dict("records"),
    }


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in VERSIONS} | {
        "python": platform.python_version()
    }


def _provenance(extras: Extras) -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    return {**extras.provenance, "Versions": versions}


def _rejection(model: str, case: str, reason: str) -> str:
    return f"{case}{f' ({model})' if model else ''}: {reason}"


def _write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)
