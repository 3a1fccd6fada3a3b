"""What the page of lesions without a reference shows, as plain values for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lesionseg.reporting.page.render import render
from lesionseg.reporting.pictures.slices import REFERENCE_COLOUR, data_uri
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.wording import counted

TEMPLATE, SCRIPTS = "overview.html.j2", ("sort.js", "filter.js", "viewer.js")
SECTIONS = {
    "sizes": "By size",
    "slices": "Slice by slice",
    "lesions": "Lesions",
    "provenance": "Provenance",
}
HEADS = ("Score", "mm", "mm³", "Lesion", "Scan")
TEXT_HEADS = ("Scan", "Class", "Position")


@dataclass(frozen=True, eq=False)
class FoundLesion:
    """A lesion of the page. number: its id in the scan. centre_mm: RAS."""

    case: str
    number: int
    lesion_class: str
    bucket: str
    volume_mm3: float
    diameter_mm: float
    score: float
    centre_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Count:
    """Of one size, over all scans: lesions, the scans that have any, mm3 and the best score."""

    lesions: int = 0
    scans: int = 0
    volume_mm3: float = 0.0
    best_score: float | None = None


@dataclass(frozen=True, eq=False)
class Overview:
    """All that the page is made from.

    counts: by size bucket, and of all sizes. num_scans: that were predicted. lesions: those that
    are shown, best first; pictures: PNG by (case, number) of those that could be drawn. viewer: as
    `pack_view` makes them. warnings: sentences. provenance: terms and texts.
    """

    model: str
    colour: str
    classes: Sequence[str]
    buckets: SizeBuckets
    counts: Mapping[str, Count]
    num_scans: int
    lesions: Sequence[FoundLesion] = ()
    pictures: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    viewer: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def overview_page(overview: Overview) -> str:
    """The page as one HTML file."""
    return render(overview_content(overview), TEMPLATE, SCRIPTS)


def overview_content(overview: Overview) -> dict[str, Any]:
    """The template's variables."""
    every, buckets = overview.counts[ALL_SIZES], overview.buckets
    several = len(overview.classes) > 1
    absent = {"slices": not overview.viewer, "lesions": not overview.lesions}
    viewed = [str(packed["case"]) for packed in overview.viewer]
    sizes = [*buckets.names, ALL_SIZES]
    return {
        "title": f"Lesions found by {overview.model}",
        "answer": [
            f"{overview.model} found {counted(every.lesions, 'lesion')} in {every.scans} of "
            f"{counted(overview.num_scans, 'scan')}.",
            "There is no reference here: nothing on this page says whether a lesion is real.",
        ],
        "warnings": list(overview.warnings),
        "contents": [(a, name) for a, name in SECTIONS.items() if not absent.get(a)],
        "size_heads": ["Lesions", "Scans that have any", "Volume, ml", "Best score"],
        "size_rows": [_size_row(buckets.describe(name), overview.counts[name]) for name in sizes],
        "models": [overview.model],
        "viewer": _viewer(overview, viewed) if viewed else None,
        "viewed": _viewed_words(len(viewed), overview.num_scans),
        "shown": _shown_words(len(overview.lesions), every.lesions),
        "cases": list(dict.fromkeys(sorted(one.case for one in overview.lesions))),
        "buckets": [(name, buckets.describe(name)) for name in buckets.names],
        "classes": list(overview.classes),
        "lesion_heads": [*HEADS, *(["Class"] if several else []), "Position"],
        "text_heads": TEXT_HEADS,
        "lesions": [_lesion(one, overview, one.case in viewed) for one in overview.lesions],
        "provenance": list(overview.provenance.items()),
    }


def _size_row(words: str, count: Count) -> list[str]:
    best = "" if count.best_score is None else f"{count.best_score:.2f}"
    return [
        words,
        f"{count.lesions:,}",
        f"{count.scans:,}",
        f"{count.volume_mm3 / 1000:.2f}",
        best,
    ]


def _viewer(overview: Overview, names: Sequence[str]) -> dict[str, Any]:
    return {
        "names": list(names),
        "judged": False,
        "data": {
            "models": [overview.model],
            "reference": REFERENCE_COLOUR,
            "colours": [overview.colour],
            "cases": list(overview.viewer),
        },
    }


def _viewed_words(num: int, of: int) -> str:
    return "" if num == of else f"The {num} of {of} scans that have the most lesions."


def _shown_words(num: int, of: int) -> str:
    if num == of:
        return f"All {counted(of, 'lesion')}, the highest score first."
    return (
        f"{num} of {of:,} lesions: of each scan those of the highest scores, as many of one scan "
        "as of another where they have as many; lesions.csv has all."
    )


def _lesion(one: FoundLesion, overview: Overview, in_viewer: bool) -> dict[str, Any]:
    picture = overview.pictures.get((one.case, one.number))
    return {
        "case": one.case,
        "number": one.number,
        "bucket": one.bucket,
        "lesion_class": one.lesion_class,
        "score": f"{one.score:.6g}",
        "source": data_uri(picture) if picture else "",
        "alt": f"lesion {one.number} of {one.case}, in three planes",
        "cells": [
            (one.score, f"{one.score:.2f}"),
            (one.diameter_mm, f"{one.diameter_mm:.1f}"),
            (one.volume_mm3, f"{one.volume_mm3:,.0f}"),
            (one.number, f"{one.number}"),
        ],
        "position": " ".join(f"{round(c, 1) + 0.0:.1f}" for c in one.centre_mm),
        "in_viewer": in_viewer,
    }
