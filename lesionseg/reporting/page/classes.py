"""The section of the page on several lesion classes: one beside another, then each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lesionseg.evaluation.metrics import MATCHED_RECALL, METRICS
from lesionseg.reporting.page.report_tables import ReportTables
from lesionseg.reporting.pictures.slices import CLASS_COLOURS
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.scoring.records import ScoringOptions
from lesionseg.reporting.tables.confusion import confusions
from lesionseg.reporting.tables.headline import class_sentences
from lesionseg.reporting.tables.matched import matched_rows, matched_sizes
from lesionseg.reporting.tables.page_tables import (
    Cell,
    Group,
    Row,
    size_groups,
    size_heads,
    value_cell,
    whole_scan_rows,
)
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets

SHOWN = ("recall", "region_dice", "lesion_dice", "precision", "fp_per_scan")
TOGETHER = (
    "Figures are of all {number} lesion classes together where no class is named: a lesion counts "
    "as found only where it is found as its own class."
)


@dataclass(frozen=True)
class ClassPanel:
    """One class. colour: its place among the colours of classes. sentence: what was found of it.
    matched: of the comparison at matched false positives, with the lead above it; "" without."""

    name: str
    colour: int
    sentence: str
    lead: str
    matched_heads: list[Cell]
    matched_rows: list[Row]
    size_heads: list[Cell]
    size_groups: list[Group]
    whole_rows: list[Row]


def class_content(
    summaries: Mapping[str, Summary],
    tables: ReportTables,
    buckets: SizeBuckets,
    options: ScoringOptions,
) -> dict[str, Any] | None:
    """The section's variables; None for one class."""
    if not summaries:
        return None
    panels = [
        _panel(number, name, summary, tables.matched_at[name], sentence, buckets)
        for number, ((name, summary), sentence) in enumerate(
            zip(summaries.items(), class_sentences(summaries))
        )
    ]
    return {
        "lead": together_words(summaries),
        "heads": ["Lesions", *(METRICS[key].heading for key in SHOWN)],
        "groups": [
            (panel, _overview(summary)) for panel, summary in zip(panels, summaries.values())
        ],
        "confusions": confusions(tables.confusion),
        "panels": panels,
    }


def together_words(summaries: Mapping[str, Summary]) -> str:
    """That figures are of all classes where none is named; nothing of one class."""
    return TOGETHER.format(number=len(summaries)) if summaries else ""


def _panel(
    number: int,
    name: str,
    summary: Summary,
    matched_at: float | None,
    sentence: str,
    buckets: SizeBuckets,
) -> ClassPanel:
    lead, heads, rows = "", [], []
    if matched_at is not None:
        lead = f"At {matched_at:.3g} false positives a scan of this class: lesions found, %."
        heads = size_heads(summary, buckets, matched_sizes(buckets), metric=MATCHED_RECALL)
        rows = matched_rows(summary, buckets)
    return ClassPanel(
        name,
        number % len(CLASS_COLOURS),
        sentence,
        lead,
        heads,
        rows,
        size_heads(summary, buckets, [*buckets.names, ALL_SIZES]),
        size_groups(summary, buckets),
        whole_scan_rows(summary),
    )


def _overview(summary: Summary) -> list[Row]:
    """A row a model: figures of all sizes at its own threshold."""
    rows = []
    for place, model in enumerate(summary.models):
        found = summary.row(model, "recall")
        lesions = Cell(str(found["num_lesions"]) if found else "0")
        figures = (value_cell(METRICS[key], summary.row(model, key)) for key in SHOWN)
        rows.append(Row("", model, place, (lesions, *figures)))
    return rows
