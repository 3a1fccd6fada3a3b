"""Every picture of the page. Each case that is shown is read once, on whichever core is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesionseg.reporting.page.viewer import choose_worst, pack_view
from lesionseg.reporting.pictures.atlas import Miss, choose_misses, draw_miss
from lesionseg.reporting.pictures.overlays import Choice, choose_cases, overlay
from lesionseg.reporting.pictures.views import read_view
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.storage.process_pool import case_pool, for_each_case


@dataclass(frozen=True, eq=False)
class Pictures:
    """overlays: (choice, PNG, where the slice lies). atlas: (lesion, PNG). viewer: packed cases.

    notes: a sentence on each case that could not be drawn, or not with its image.
    """

    overlays: list[tuple[Choice, bytes, str]]
    atlas: list[tuple[Miss, bytes]]
    viewer: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Task:
    """All that is drawn of one case."""

    case: ReportCase
    models: tuple[str, ...]
    colours: Mapping[str, str]
    overlays: tuple[Choice, ...]
    misses: tuple[Miss, ...]
    lesions: pd.DataFrame | None
    options: ScoringOptions


def draw_pictures(
    cases: Sequence[ReportCase],
    lesions: pd.DataFrame,
    figures: pd.DataFrame,
    colours: Mapping[str, str],
    names: Sequence[str],
    options: ScoringOptions,
    *,
    workers: int | None = None,
) -> Pictures:
    """Choose cases and lesions from the tables and draw them.

    lesions, figures: the lesion and case tables. colours: by model. names: the size buckets.
    """
    overlays = choose_cases(figures)
    misses = choose_misses(lesions, names, options.atlas)
    worst = choose_worst(figures, options.viewer)
    tasks: dict[str, _Task] = {}
    for case in cases:
        mine = (
            tuple(c for c in overlays if c.case == case.case),
            tuple(m for m in misses if m.case == case.case),
        )
        table = lesions[lesions["case"] == case.case] if case.case in worst else None
        if any(mine) or table is not None:
            tasks[case.case] = _Task(case, tuple(colours), colours, *mine, table, options)
    with case_pool(workers, num_tasks=len(tasks)) as pool:
        by_name, failed = for_each_case(pool, _draw, tasks, title="drawing")
    drawn = list(by_name.values())
    by_overlay = {found[0]: found for p in drawn for found in p.overlays}
    by_miss = {found[0]: found for p in drawn for found in p.atlas}
    by_case = {packed["case"]: packed for p in drawn for packed in p.viewer}
    return Pictures(
        overlays=[by_overlay[c] for c in overlays if c in by_overlay],
        atlas=[by_miss[m] for m in misses if m in by_miss],
        viewer=[by_case[c] for c in worst if c in by_case],
        notes=(
            *(f"no picture of {why}" for why in failed.values()),
            *(note for p in drawn for note in p.notes),
        ),
    )


def _draw(task: _Task) -> Pictures:
    """Raises CaseError where the case cannot be read."""
    view = read_view(task.case, task.models, task.options)
    return Pictures(
        overlays=[
            (c, *overlay(view, c.model, task.colours[c.model]))
            for c in task.overlays
            if c.model in view.predictions
        ],
        atlas=[(m, draw_miss(view, m, task.colours)) for m in task.misses],
        viewer=[] if task.lesions is None else [pack_view(view, task.lesions, task.models)],
        notes=view.notes,
    )
