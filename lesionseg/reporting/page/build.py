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
from lesionseg.reporting.page.outputs import (
    announce,
    withdraw_report,
    write_bytes,
    write_left_out,
    write_pictures,
    write_tables,
)
from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.page.render import render
from lesionseg.reporting.pictures.draw import draw_pictures
from lesionseg.reporting.plots.imbalance import check_loss_shares, imbalance_plot
from lesionseg.reporting.plots.score import calibration_plot, froc_plot
from lesionseg.reporting.plots.size import bucket_plot, dice_by_size
from lesionseg.reporting.plots.style import MEDIUM, NARROW, WIDE, as_data_uri, as_png, looks, style
from lesionseg.reporting.scoring.class_labels import refuse_classes
from lesionseg.reporting.scoring.common_cases import (
    common_cases,
    comparison_sentences,
    on_common_cases,
)
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_cases import Scored, score_cases
from lesionseg.reporting.tables.definitions import column_descriptions
from lesionseg.reporting.tables.headline import headline
from lesionseg.reporting.tables.matched import matched_sentence
from lesionseg.reporting.tables.terminal import size_table
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.storage.atomic import write_text
from lesionseg.storage.json_file import write_json

NOTES_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Report:
    """What was written. text: the table by size for a terminal. rejected: as in `Scored`.

    compared: the models at matched false positives, in a sentence; without scores, the first
    sentence of the headline. missing: as in `Scored`; lacking: the same in sentences. notes: what
    was mended or looked odd on reading.
    """

    page: Path
    summary: pd.DataFrame
    text: str
    headline: tuple[str, ...]
    compared: str
    rejected: tuple[tuple[str, str, str], ...]
    unmatched: tuple[str, ...] = ()
    missing: tuple[tuple[str, str, str], ...] = ()
    lacking: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """Lines for the log: what was rejected, and the first notes; the page holds them all."""
        lines = [
            f"rejected: {case}{f' ({model})' if model else ''}: {reason}"
            for model, case, reason in self.rejected
        ]
        lines += [f"note: {note}" for note in self.notes[:NOTES_SHOWN]]
        more = len(self.notes) - NOTES_SHOWN
        return [*lines, f"note: {more} more notes are on the page"] if more > 0 else lines

    @property
    def for_terminal(self) -> str:
        """What was compared and where the page is, then the table, then the page again."""
        text = "\n".join([self.text, *self.lacking])
        return f"{self.compared}\n{self.page}\n\n{text}\n\n{self.page}"


@dataclass(frozen=True, eq=False)
class Tables:
    """Every table of the report; each is written as a CSV of its name.

    Those of lesions, predictions, cases and candidates hold all that was scored, the others the
    cases alone that all models have.
    """

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

    An earlier report's files go first. Models are compared on the cases that all were scored on.
    None, and only rejected.csv, where every case was rejected. Raises OutputError, UsageError for a
    malformed table or masks of classes, NoInputError where no case was scored with every model.
    """
    options, page_info, output = options or ScoringOptions(), page_info or PageInfo(), Path(output)
    buckets = SizeBuckets.from_edges(options.edges_mm)
    if page_info.loss_shares is not None:
        check_loss_shares(page_info.loss_shares, buckets)
    withdraw_report(output)
    scored = score_cases(cases, options, workers=workers)
    refuse_classes(scored.looks)
    write_left_out(output, scored, page_info.unpredicted)
    if scored.cases.empty:
        return None
    compared = on_common_cases(scored)
    tables = _tables(scored, compared, buckets, options)
    write_tables(output, vars(tables), page_info)
    summary = Summary(tables.summary)
    sentences = headline(summary, buckets)
    write_json(output / "summary.json", _summary_json(tables.summary, sentences, options, scored))
    colours = {model: look.bright for model, look in looks(summary.models).items()}
    pictures = draw_pictures(
        cases, compared.lesions, compared.cases, colours, buckets.names, options, workers=workers
    )
    write_pictures(output, pictures, summary.models)
    content = page_content(
        summary=summary,
        sentences=sentences,
        scored=scored,
        shares=tables.imbalance,
        buckets=buckets,
        plots=_plots(output, tables, compared.lesions, summary, buckets, page_info),
        pictures=pictures,
        colours=colours,
        options=options,
        page_info=page_info,
    )
    write_text(output / "report.html", render(content))
    return Report(
        output / "report.html",
        tables.summary,
        size_table(tables.summary, buckets, found_iou=options.found_iou),
        tuple(sentences),
        matched_sentence(summary, tables.froc, buckets) or sentences[0],
        scored.rejected,
        tuple(page_info.unmatched),
        scored.missing,
        tuple(comparison_sentences(scored)),
        scored.notes,
    )


def _tables(
    scored: Scored, compared: Scored, buckets: SizeBuckets, options: ScoringOptions
) -> Tables:
    drawing = {"draws": options.draws, "seed": options.seed}
    rates = summarise(compared.lesions, compared.predictions, compared.cases, buckets, **drawing)
    patients = dict(zip(compared.cases["case"], compared.cases["patient"]))
    over_scores, froc = summarise_candidates(
        compared.candidates, patients, buckets, found_iou=options.found_iou, **drawing
    )
    full = [table for table in (rates, over_scores) if len(table)]
    return Tables(
        lesions=scored.lesions,
        predictions=scored.predictions,
        cases=scored.cases.assign(compared=scored.cases["case"].isin(common_cases(scored))),
        summary=pd.concat(full, ignore_index=True),
        imbalance=imbalance(compared.lesions, compared.cases, buckets),
        froc=froc,
        calibration=calibration(compared.candidates),
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
    output: Path,
    tables: Tables,
    lesions: pd.DataFrame,
    summary: Summary,
    buckets: SizeBuckets,
    page_info: PageInfo,
) -> dict[str, dict[str, str]]:
    """Each plot for a page and for a phone as data URIs; the page's also as a PNG file.

    lesions: of the cases compared.
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
    announce(output, [f"figures/{name}.png" for name in makers])
    found = {}
    with style():
        for name, (make, width, alt) in makers.items():
            wide = make(width)
            write_bytes(output / "figures" / f"{name}.png", as_png(wide))
            narrow = make(NARROW)
            found[name] = {"wide": as_data_uri(wide), "narrow": as_data_uri(narrow), "alt": alt}
    return found


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
        "num_compared": len(common_cases(scored)),
        "rejected": [dict(zip(("model", "case", "reason"), r)) for r in scored.rejected],
        "missing": [dict(zip(("model", "case", "reason"), r)) for r in scored.missing],
        "notes": list(scored.notes),
        "columns": column_descriptions(),
        "figures": summary.to_dict("records"),
    }
