"""Score all cases and write everything: tables, figures and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from lesionseg.reporting.page.classes import together_words
from lesionseg.reporting.page.content import page_content, versions
from lesionseg.reporting.page.figures import draw_plots
from lesionseg.reporting.page.outputs import (
    withdraw_report,
    write_left_out,
    write_pictures,
    write_tables,
)
from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.page.render import render
from lesionseg.reporting.page.report_tables import ReportTables, Tables, make_tables
from lesionseg.reporting.pictures.draw import draw_pictures
from lesionseg.reporting.plots.imbalance import check_loss_shares
from lesionseg.reporting.plots.style import looks
from lesionseg.reporting.scoring.class_labels import refuse_classes
from lesionseg.reporting.scoring.common_cases import (
    common_cases,
    comparison_sentences,
    on_common_cases,
)
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.scoring.recorded_classes import with_predicted_classes
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_cases import Scored, score_cases
from lesionseg.reporting.scoring.trainings import first_predictions, first_trainings
from lesionseg.reporting.tables.definitions import column_descriptions
from lesionseg.reporting.tables.headline import class_sentences, headline
from lesionseg.reporting.tables.terminal import class_table, matched_table, size_table
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.atomic import write_text
from lesionseg.storage.json_file import write_json

NOTES_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Report:
    """What was written. text: the tables by size for a terminal, at matched false positives first.

    rejected: as in `Scored`. headline: sentences.

    compared: the models at matched false positives in a sentence, or why they are not; then at
    their own thresholds. missing: as in `Scored`; lacking: the same in sentences. notes: what was
    mended or looked odd on reading.
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
        """What was compared and where the page is, then the tables, then the page again."""
        text = "\n".join([self.text, *self.lacking])
        return f"{self.compared}\n{self.page}\n\n{text}\n\n{self.page}"


def write_report(
    cases: Sequence[ReportCase],
    output: Path,
    options: ScoringOptions | None = None,
    *,
    workers: int | None = None,
    page_info: PageInfo | None = None,
    model_of: Mapping[str, str] | None = None,
    stored: Path | None = None,
) -> Report | None:
    """Score `cases` and write CSV tables, summary.json, figures/*.png and report.html to `output`.

    model_of: of the names of predictions in `cases`, those that are one of several trainings of a
    model; figures are means over them, pictures are of the first. stored: as in `score_cases`.

    An earlier report's files go first. Models are compared on the cases that all were scored on.
    None, and only rejected.csv, where every case was rejected. Raises OutputError, UsageError for a
    table in `page_info` that does not fit or masks of classes, NoInputError where no case was
    scored with every model.
    """
    page_info, output = page_info or PageInfo(), Path(output)
    options, words = with_predicted_classes(cases, options or ScoringOptions())
    page_info = replace(page_info, notes=(*page_info.notes, *words))
    buckets = SizeBuckets.from_edges(options.edges_mm)
    stratum_of = _checked(page_info, cases, buckets)
    withdraw_report(output)
    scored = _scored(cases, options, workers, output, page_info, stored)
    if scored.cases.empty:
        return None
    seeds, shared = model_of or {}, on_common_cases(scored)
    tables = make_tables(scored, shared, buckets, options, model_of=seeds, stratum_of=stratum_of)
    write_tables(output, tables.written, page_info)
    summary = Summary(tables.whole.summary)
    summaries = {name: Summary(one.summary) for name, one in tables.by_class.items()}
    has_scores = set(scored.cases["model"]) == set(scored.candidates)
    answer, notes = headline(summary, tables.whole.matched_at, buckets, has_scores=has_scores)
    sentences = (*answer, *class_sentences(summaries), *notes)
    shown, colours = first_trainings(shared, seeds), _bright(summary)
    scores = (shown.lesions, shown.cases, colours, buckets.names, options)
    pictures = draw_pictures(first_predictions(cases, seeds), *scores, workers=workers)
    write_pictures(output, pictures, summary.models)
    scored = replace(scored, notes=(*scored.notes, *pictures.notes))
    write_json(output / "summary.json", _summary_json(tables, sentences, options, scored))
    content = page_content(
        summary=summary,
        answer=answer,
        answer_notes=notes,
        scored=scored,
        tables=tables,
        summaries=summaries,
        buckets=buckets,
        plots=draw_plots(output, shown.lesions, tables, summary, summaries, buckets, page_info),
        pictures=pictures,
        colours=colours,
        options=options,
        page_info=page_info,
    )
    write_text(output / "report.html", render(content))
    text = _terminal_tables(tables.whole, summaries, buckets, options)
    told = [*answer[:2], *filter(None, [together_words(summaries)])]
    return _report(output, scored, tables.whole, text, told, sentences, page_info)


def _scored(
    cases: Sequence[ReportCase],
    options: ScoringOptions,
    workers: int | None,
    output: Path,
    page_info: PageInfo,
    stored: Path | None,
) -> Scored:
    """The scores, with all notes; what was left out is written."""
    scored = score_cases(cases, options, workers=workers, stored=stored)
    refuse_classes(scored.looks)
    write_left_out(output, scored, page_info.unpredicted)
    return replace(scored, notes=(*page_info.notes, *scored.notes))


def _report(
    output: Path,
    scored: Scored,
    tables: Tables,
    text: str,
    told: Sequence[str],
    sentences: tuple[str, ...],
    page_info: PageInfo,
) -> Report:
    return Report(
        output / "report.html",
        tables.summary,
        text,
        sentences,
        "\n".join(told),
        scored.rejected,
        tuple(page_info.unmatched),
        scored.missing,
        tuple(comparison_sentences(scored)),
        scored.notes,
    )


def _bright(summary: Summary) -> dict[str, str]:
    """The colour of each model on dark scans."""
    return {model: look.bright for model, look in looks(summary.models).items()}


def _checked(
    page_info: PageInfo, cases: Sequence[ReportCase], buckets: SizeBuckets
) -> dict[str, str] | None:
    """The stratum of each patient, if asked for. Raises UsageError, before any work is done."""
    if page_info.loss_shares is not None:
        check_loss_shares(page_info.loss_shares, buckets)
    if page_info.strata is None:
        return None
    return page_info.strata.of_patients(dict.fromkeys(case.patient for case in cases))


def _terminal_tables(
    tables: Tables,
    summaries: Mapping[str, Summary],
    buckets: SizeBuckets,
    options: ScoringOptions,
) -> str:
    parts = (
        matched_table(tables.summary, tables.matched_at, buckets),
        size_table(tables.summary, buckets, found_iou=options.found_iou),
        class_table(summaries),
    )
    return "\n\n".join(part for part in parts if part)


def _summary_json(
    tables: ReportTables, sentences: Sequence[str], options: ScoringOptions, scored: Scored
) -> dict[str, Any]:
    return {
        "headline": list(sentences),
        "matched_false_positives_per_scan": tables.whole.matched_at,
        "matched_by_class": tables.matched_at,
        "lesion_classes": options.classes.as_data,
        "settings": vars(options),
        "versions": versions(),
        "num_cases": int(scored.cases["case"].nunique()),
        "num_patients": int(scored.cases["patient"].nunique()),
        "models": Summary(tables.whole.summary).models,
        "num_compared": len(common_cases(scored)),
        "rejected": [dict(zip(("model", "case", "reason"), r)) for r in scored.rejected],
        "notes": list(scored.notes),
        "columns": column_descriptions(),
        "figures": tables.written["summary"].to_dict("records"),
    }
