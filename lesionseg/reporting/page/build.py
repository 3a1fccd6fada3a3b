"""Score all cases and write everything: tables, figures and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lesionseg.evaluation.calibration import calibration
from lesionseg.evaluation.counts import imbalance
from lesionseg.evaluation.froc_summary import summarise_candidates
from lesionseg.evaluation.summary import summarise
from lesionseg.reporting.page.content import page_content, versions
from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.page.render import render
from lesionseg.reporting.pictures.draw import Pictures, draw_pictures
from lesionseg.reporting.plots.imbalance import check_loss_shares, imbalance_plot
from lesionseg.reporting.plots.score import calibration_plot, froc_plot
from lesionseg.reporting.plots.size import bucket_plot, dice_by_size
from lesionseg.reporting.plots.style import MEDIUM, NARROW, WIDE, as_data_uri, as_png, looks, style
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_cases import Scored, score_cases
from lesionseg.reporting.tables.definitions import column_descriptions
from lesionseg.reporting.tables.headline import headline
from lesionseg.reporting.tables.matched import matched_sentence
from lesionseg.reporting.tables.terminal import size_table
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.storage.atomic import replacing, write_text
from lesionseg.storage.csv_table import write_frame
from lesionseg.storage.json_file import write_json


@dataclass(frozen=True, eq=False)
class Report:
    """What was written. text: the table by size for a terminal. rejected: as in `Scored`.

    compared: the models at matched false positives, in a sentence; without scores, the first
    sentence of the headline.
    """

    page: Path
    summary: pd.DataFrame
    text: str
    headline: tuple[str, ...]
    compared: str
    rejected: tuple[tuple[str, str, str], ...]
    unmatched: tuple[str, ...] = ()

    @property
    def for_terminal(self) -> str:
        """What was compared and where the page is, then the table, then the page again."""
        return f"{self.compared}\n{self.page}\n\n{self.text}\n\n{self.page}"


@dataclass(frozen=True, eq=False)
class Tables:
    """Every table of the report; each is written as a CSV of its name."""

    lesions: pd.DataFrame
    predictions: pd.DataFrame
    cases: pd.DataFrame
    summary: pd.DataFrame
    imbalance: pd.DataFrame
    froc: pd.DataFrame
    calibration: pd.DataFrame
    candidates: pd.DataFrame


def write_report(
    cases: Sequence[ReportCase],
    output: Path,
    options: ScoringOptions | None = None,
    *,
    workers: int | None = None,
    page_info: PageInfo | None = None,
) -> Report | None:
    """Score `cases` and write CSV tables, summary.json, figures/*.png and report.html to `output`.

    None where every case was rejected; then only rejected.csv is written. Raises OutputError where
    the folder cannot be written, UsageError for a malformed table in `page_info`.
    """
    options, page_info, output = options or ScoringOptions(), page_info or PageInfo(), Path(output)
    buckets = SizeBuckets.from_edges(options.edges_mm)
    if page_info.loss_shares is not None:
        check_loss_shares(page_info.loss_shares, buckets)
    scored = score_cases(cases, options, workers=workers)
    rejected = pd.DataFrame(scored.rejected, columns=["model", "case", "reason"])
    write_frame(output / "rejected.csv", rejected)
    if scored.cases.empty:
        return None
    tables = _tables(scored, buckets, options)
    _write_tables(output, tables, page_info)
    summary = Summary(tables.summary)
    sentences = headline(summary, buckets)
    write_json(output / "summary.json", _summary_json(tables.summary, sentences, options, scored))
    colours = {model: look.bright for model, look in looks(summary.models).items()}
    pictures = draw_pictures(
        cases, scored.lesions, scored.cases, colours, buckets.names, options, workers=workers
    )
    _write_pictures(output / "figures", pictures, summary.models)
    content = page_content(
        summary=summary,
        sentences=sentences,
        scored=scored,
        shares=tables.imbalance,
        buckets=buckets,
        plots=_plots(output / "figures", tables, summary, buckets, page_info),
        pictures=pictures,
        colours=colours,
        options=options,
        page_info=page_info,
    )
    page = output / "report.html"
    write_text(page, render(content))
    text = size_table(tables.summary, buckets, found_iou=options.found_iou)
    compared = matched_sentence(summary, tables.froc, buckets) or sentences[0]
    return Report(
        page,
        tables.summary,
        text,
        tuple(sentences),
        compared,
        scored.rejected,
        tuple(page_info.unmatched),
    )


def _write_tables(output: Path, tables: Tables, page_info: PageInfo) -> None:
    for name, table in vars(tables).items():
        if len(table):
            write_frame(output / f"{name}.csv", table)
    if page_info.loss_shares is not None:
        write_frame(output / "loss_shares.csv", page_info.loss_shares)
    if page_info.agreement is not None:
        write_frame(output / "raters.csv", page_info.agreement)


def _tables(scored: Scored, buckets: SizeBuckets, options: ScoringOptions) -> Tables:
    drawing = {"draws": options.draws, "seed": options.seed}
    rates = summarise(scored.lesions, scored.predictions, scored.cases, buckets, **drawing)
    patients = dict(zip(scored.cases["case"], scored.cases["patient"]))
    over_scores, froc = summarise_candidates(
        scored.candidates, patients, buckets, found_iou=options.found_iou, **drawing
    )
    full = [table for table in (rates, over_scores) if len(table)]
    return Tables(
        lesions=scored.lesions,
        predictions=scored.predictions,
        cases=scored.cases,
        summary=pd.concat(full, ignore_index=True),
        imbalance=imbalance(scored.lesions, scored.cases, buckets),
        froc=froc,
        calibration=calibration(scored.candidates),
        candidates=_candidate_table(scored),
    )


def _candidate_table(scored: Scored) -> pd.DataFrame:
    """One row per candidate lesion: what FROC, average precision and calibration are made of."""
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "case": case,
                "candidate_id": found.ids,
                "score": found.score,
                "volume_mm3": found.volume_mm3,
                "lesion_id": found.owner,
                "overlap_mm3": found.overlap_mm3,
            }
        )
        for model, by_case in scored.candidates.items()
        for case, found in by_case.items()
        if len(found.ids)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _plots(
    folder: Path, tables: Tables, summary: Summary, buckets: SizeBuckets, page_info: PageInfo
) -> dict[str, dict[str, str]]:
    """Each plot for a page and for a phone as data URIs; the page's also as a PNG file."""
    by_model = looks(summary.models)
    shown = [
        *(
            n
            for n in buckets.names
            if tables.lesions.loc[tables.lesions["kind"] == "reference", "bucket"].eq(n).any()
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
            lambda width: dice_by_size(tables.lesions, buckets, by_model, width),
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


def _write_pictures(folder: Path, pictures: Pictures, models: Sequence[str]) -> None:
    """As files; models and cases by number, because names may hold characters that files cannot."""
    for choice, picture, _ in pictures.overlays:
        _write_bytes(
            folder / f"overlay-{models.index(choice.model) + 1}-{choice.rank}.png", picture
        )
    for i, (miss, picture) in enumerate(pictures.atlas, 1):
        kind = "missed" if miss.kind == "missed" else "false-positive"
        _write_bytes(folder / "atlas" / f"{i:03d}-{kind}.png", picture)


def _summary_json(
    summary: pd.DataFrame, sentences: Sequence[str], options: ScoringOptions, scored: Scored
) -> dict[str, Any]:
    return {
        "headline": list(sentences),
        "settings": vars(options),
        "versions": versions(),
        "num_cases": int(scored.cases["case"].nunique()),
        "num_patients": int(scored.cases["patient"].nunique()),
        "models": list(dict.fromkeys(scored.cases["model"])),
        "rejected": [dict(zip(("model", "case", "reason"), r)) for r in scored.rejected],
        "notes": list(scored.notes),
        "columns": column_descriptions(),
        "figures": summary.to_dict("records"),
    }


def _write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)
