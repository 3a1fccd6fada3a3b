"""Everything the page shows, as plain values for the template."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import pandas as pd

from lesionseg.evaluation.metrics import METRICS
from lesionseg.reporting.page.classes import class_content
from lesionseg.reporting.page.comparison import matched_content
from lesionseg.reporting.page.page_info import PageInfo, compare_training, promised
from lesionseg.reporting.page.report_tables import ReportTables, Tables
from lesionseg.reporting.pictures.atlas import Miss
from lesionseg.reporting.pictures.draw import Pictures
from lesionseg.reporting.pictures.slices import REFERENCE_COLOUR, data_uri
from lesionseg.reporting.plots.imbalance import imbalance_words
from lesionseg.reporting.plots.missing_price import price_words
from lesionseg.reporting.scoring.common_cases import comparison_sentences
from lesionseg.reporting.scoring.lookup import FEW_WORDS, Summary, number, percent, value_text
from lesionseg.reporting.scoring.records import ScoringOptions
from lesionseg.reporting.scoring.score_cases import Scored
from lesionseg.reporting.tables import bland_altman, strata
from lesionseg.reporting.tables.agreement import agreement_rows
from lesionseg.reporting.tables.definitions import criterion, definitions
from lesionseg.reporting.tables.headline import promised_words
from lesionseg.reporting.tables.page_tables import (
    case_heads,
    case_rows,
    differences,
    size_groups,
    size_heads,
    whole_scan_rows,
)
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.storage.hashes import sha256_of_text
from lesionseg.wording import counted

VERSIONS = ("lesionseg", "numpy", "scipy", "pandas", "connected-components-3d")
OUTERMOST = (
    "These are lesions of the regions that no other contains, so that no voxel counts twice."
)
SECTIONS = {
    "matched": "Compared",
    "classes": "By class",
    "sizes": "By size",
    "strata": "Strata",
    "dice": "Dice by size",
    "froc": "FROC",
    "imbalance": "Imbalance",
    "atlas": "Miss atlas",
    "cases": "Cases",
    "calibration": "Calibration",
    "training": "Training",
    "data": "Data",
    "definitions": "Definitions",
    "provenance": "Provenance",
}


def page_content(
    *,
    summary: Summary,
    answer: Sequence[str],
    answer_notes: Sequence[str],
    scored: Scored,
    tables: ReportTables,
    summaries: Mapping[str, Summary],
    buckets: SizeBuckets,
    plots: Mapping[str, Mapping[str, str]],
    pictures: Pictures,
    colours: Mapping[str, str],
    options: ScoringOptions,
    page_info: PageInfo,
) -> dict[str, Any]:
    """The template's variables. plots: by name, data URIs for a page and a phone, and a caption.

    answer, answer_notes: as `headline` makes them. summaries: of each of several classes.
    """
    models = summary.models
    training = compare_training(page_info.training)
    left_out = [*page_info.unmatched, *(_rejection(*r) for r in scored.rejected)]
    absent = {
        "training": training is None,
        "data": not page_info.data_card,
        "strata": page_info.strata is None,
        "classes": not summaries,
    }
    return {
        "title": page_info.title,
        "answer": list(answer),
        "warnings": [
            *filter(None, [page_info.predicted]),
            *answer_notes,
            *_warnings(scored, left_out),
        ],
        "matched": matched_content(summary, tables, buckets),
        "classes": class_content(summaries, tables, buckets, options),
        "contents": [(a, name) for a, name in SECTIONS.items() if not absent.get(a)],
        "models": models,
        "criterion": criterion(options),
        **_own_thresholds(summary, tables.whole, buckets, page_info),
        "plots": plots,
        "imbalance": _imbalance(tables.whole, buckets, options),
        "price": [] if page_info.prices is None else price_words(page_info.prices),
        "share_rows": _share_rows(tables.whole.imbalance, buckets),
        "overlays": _overlay_groups(pictures, models),
        "atlas": _atlas_groups(pictures.atlas, buckets, models, several=bool(summaries)),
        "atlas_asked": options.atlas > 0,
        "viewer": _viewer(pictures, models, colours),
        "case_heads": case_heads(options),
        "case_rows": case_rows(scored.cases, options),
        "left_out": left_out,
        "notes": scored.notes,
        "calibration": _calibration_words(summary),
        "training": training,
        "data_card": list(page_info.data_card.items()),
        "definitions": definitions(options),
        "provenance": list(_provenance(scored, options, page_info).items()),
    }


def _imbalance(tables: Tables, buckets: SizeBuckets, options: ScoringOptions) -> list[str]:
    """Sentences on how few voxels small lesions hold."""
    outermost = [OUTERMOST] if options.classes.regions else []
    return [*imbalance_words(tables.imbalance, buckets), *outermost]


def _own_thresholds(
    summary: Summary, tables: Tables, buckets: SizeBuckets, page_info: PageInfo
) -> dict[str, Any]:
    """The tables of figures at each model's own threshold: by size, of whole scans, by stratum."""
    raters = page_info.agreement
    return {
        "few_words": FEW_WORDS,
        "promised": promised_words(summary, promised(page_info.training)),
        "size_heads": size_heads(summary, buckets, [*buckets.names, ALL_SIZES]),
        "size_groups": size_groups(summary, buckets),
        "whole_rows": whole_scan_rows(summary),
        "bland_altman_heads": bland_altman.HEADS,
        "bland_altman_rows": bland_altman.bland_altman_rows(tables.bland_altman),
        "strata_column": page_info.strata.column if page_info.strata else "",
        "strata_heads": strata.HEADS,
        "strata_rows": strata.strata_rows(tables.strata),
        "differences": list(differences(summary)),
        "agreement_rows": [] if raters is None else agreement_rows(raters, buckets),
    }


def versions() -> dict[str, str]:
    """Of this package and of the libraries that its numbers depend on."""
    return {n: metadata.version(n) for n in VERSIONS} | {"python": platform.python_version()}


def _warnings(scored: Scored, left_out: Sequence[str]) -> list[str]:
    said = []
    if left_out:
        said.append("Not all that was given could be used; the section Cases says what and why.")
    return [*said, *comparison_sentences(scored)]


def _share_rows(shares: pd.DataFrame, buckets: SizeBuckets) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in shares.to_dict("records"):
        background = row["bucket"] == "background"
        rows.append(
            (
                "background" if background else buckets.describe(str(row["bucket"])),
                "" if background else f"{row['num_lesions']}",
                "" if background else f"{percent(row['share_lesions'], 1)} %",
                "" if background else f"{percent(row['share_lesion_voxels'], 1)} %",
                f"{percent(row['share_voxels'], 4)} %",
            )
        )
    return rows


def _overlay_groups(pictures: Pictures, models: Sequence[str]) -> list[dict[str, Any]]:
    groups = []
    for i, model in enumerate(models):
        plates = [
            {
                "source": data_uri(picture),
                "alt": f"{choice.rank} case of {model}: {choice.case}",
                "caption": f"{choice.rank.capitalize()}: {choice.case}, Dice "
                f"{number(choice.dice)}, {place}",
            }
            for choice, picture, place in pictures.overlays
            if choice.model == model
        ]
        groups.append({"model": model, "place": i, "plates": plates})
    return groups


def _atlas_groups(
    atlas: Sequence[tuple[Miss, bytes]],
    buckets: SizeBuckets,
    models: Sequence[str],
    *,
    several: bool,
) -> list[dict[str, Any]]:
    groups = []
    for name in buckets.names:
        for kind in ("missed", "false positive"):
            cards = [
                _card(miss, picture, models, several=several)
                for miss, picture in atlas
                if miss.bucket == name and miss.kind == kind
            ]
            if cards:
                title = "Missed" if kind == "missed" else "False positives"
                groups.append({"title": f"{title}, {buckets.describe(name)}", "cards": cards})
    return groups


def _card(miss: Miss, picture: bytes, models: Sequence[str], *, several: bool) -> dict[str, str]:
    """several: there are several classes, and the card names that of the lesion."""
    score = "" if miss.score is None else f", score {miss.score:.2f}"
    if miss.kind == "missed":
        by = "all models" if len(models) == len(miss.models) > 1 else ", ".join(miss.models)
        what = f"Lesion {miss.lesion_id}, missed by {by}"
    else:
        what = f"{miss.models[0]}, prediction {miss.lesion_id}{score}"
    return {
        "source": data_uri(picture),
        "alt": f"{what}, {miss.case}, in three planes",
        "what": f"{miss.lesion_class}: {what}" if several else what,
        "where": f"{miss.case}, {miss.diameter_mm:.1f} mm ({miss.volume_mm3:.0f} mm³)",
        "position": " ".join(f"{round(c, 1) + 0.0:.1f}" for c in miss.centre_mm),
    }


def _viewer(
    pictures: Pictures, models: Sequence[str], colours: Mapping[str, str]
) -> dict[str, Any] | None:
    if not pictures.viewer:
        return None
    return {
        "names": [packed["case"] for packed in pictures.viewer],
        "judged": True,
        "data": {
            "models": list(models),
            "reference": REFERENCE_COLOUR,
            "colours": [colours[m] for m in models],
            "cases": pictures.viewer,
        },
    }


def _calibration_words(summary: Summary) -> str:
    metric = METRICS["calibration_error"]
    found = ((m, summary.row(m, metric.key)) for m in summary.models)
    each = [f"{model} {value_text(metric, row['value'])}" for model, row in found if row]
    return f"{metric.label} over candidate lesions: {', '.join(each)}." if each else ""


def _provenance(scored: Scored, options: ScoringOptions, page_info: PageInfo) -> dict[str, str]:
    cases = scored.cases
    digest = sha256_of_text(scored.lesions.to_csv(index=False))
    settings = ", ".join(
        f"{name} {_setting(value)}" for name, value in vars(options).items() if value is not None
    )
    return {
        **page_info.provenance,
        "Scans": f"{cases['case'].nunique()} of {counted(cases['patient'].nunique(), 'patient')}",
        "Settings": settings,
        "Versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "Lesion table": f"SHA-256 {digest}",
    }


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_setting(one)}" for name, one in value.items())
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{v:g}" for v in value) + "]"
    return str(value)


def _rejection(model: str, case: str, reason: str) -> str:
    return f"{case}{f' ({model})' if model else ''}: {reason}"
