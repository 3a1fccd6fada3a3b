"""The page of a check: findings first, then lesions, grids, scans and the data card."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionseg.cohort_check.measures import ScanMeasures
from lesionseg.cohort_check.slice_picture import OUTLINE
from lesionseg.cohort_check.stage import Checked, finished_card
from lesionseg.datasets.cards.fields import card_terms
from lesionseg.planning.findings import ORDER, Finding, listed
from lesionseg.reporting.page.render import render
from lesionseg.reporting.pictures.slices import REFERENCE_COLOUR, data_uri, png
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.atomic import write_text
from lesionseg.wording import counted

TEMPLATE = "check.html.j2"
TITLES = {
    "rejected": ("Unusable", "These are left out; mend or remove them."),
    "error": ("Errors", "Scores from these would be wrong; exit code 5 says that there are some."),
    "warning": ("Warnings", "Probably wrong; look at each."),
    "note": ("Notes", "Worth knowing."),
}
SECTIONS = {
    "findings": "Findings",
    "lesions": "Lesions by size",
    "grids": "Grids",
    "scans": "Scans",
    "cases": "All scans",
    "data": "Data card",
    "definitions": "What was looked for",
}
DEFINITIONS = {
    "Unusable": "A file that is missing, damaged or on another grid, or a mask whose values no "
    "label explains, as preprocessing would refuse it.",
    "Copied scan": "Channels whose voxels, turned to RAS, are the same to the last bit; an error "
    "where patients or sides of the split differ.",
    "Looks like another": "Scans of different patients that correlate at 0.97 and more in "
    "16 x 16 x 16 voxels once what is common to all scans is taken off (0.995 of the scans "
    "themselves where there are fewer than five). Mirror images: at least 0.85 with one of "
    "them flipped, and 0.1 more than as they are.",
    "Channels swapped": "From five scans on: another order of the channels fits the mean of the "
    "other scans better by 0.15 of correlation a channel, once what all channels of a scan show is "
    "taken off.",
    "Left and right flipped": "From six scans on, where their asymmetries agree (median "
    "correlation with the mean of the others of at least 0.15): a scan's asymmetry correlates at "
    "-0.15 or less.",
    "Inverted contrast": "MRI whose outermost voxels are at 0.85 and more of the way from the "
    "darkest to the brightest percent of the foreground.",
    "Clipped": "More than 0.3 % of the foreground exactly at the maximum, and more than right "
    "below it.",
    "Classes exchanged": "From five scans on that have the same classes: a scan whose classes fit "
    "the intensities of the others' better in another order, by at least 30 squared spreads over "
    "the scans, and then are off by at most a quarter of that. Of random cohorts without an "
    "exchange at most one in 20 is doubted. Classes that hardly differ cannot be told so.",
    "Class of one patient": "Of several lesion classes: one that no patient has, or only one, so "
    "that it cannot be in training and in validation both.",
    "Mask beside the image": "More than 20 % of the lesion voxels where every channel shows air.",
    "Odd spacing, orientation": "Shared by at most a tenth as many scans as the most common.",
    "Odd intensities": "Median inside the foreground more than ten spreads, and at least a factor "
    "of e, from that of most scans: another scanner, unit or reconstruction.",
}


def write_check_page(path: Path, checked: Checked, *, num_pictures: int = 60) -> None:
    """Write the page, atomically: one file, no network, everything escaped."""
    text = render(
        check_content(checked, num_pictures), TEMPLATE, ("sort.js",), room="lesionseg.cohort_check"
    )
    write_text(path, text)


def check_content(checked: Checked, num_pictures: int) -> dict[str, Any]:
    """The template's variables, as plain values."""
    status = checked.status
    gravest_first = sorted(checked.measures, key=lambda case: (-ORDER.index(status[case]), case))
    shown = gravest_first[:num_pictures]
    names = SizeBuckets.from_edges(checked.dataset.card.edges_mm).ranges
    absent = () if shown else ("scans",)
    channels = checked.dataset.channels
    return {
        "title": f"{checked.dataset.card.name}: what is in the folder, and what is wrong with it",
        "headline": _headline(checked, status),
        "warnings": [one.text for one in checked.findings if not one.case],
        "contents": [(a, name) for a, name in SECTIONS.items() if a not in absent],
        "groups": _groups([one for one in checked.findings if one.case]),
        "buckets": names,
        "lesion_rows": _lesion_rows(checked, len(names)),
        "class_rows": _class_rows(checked),
        "grid_rows": _grid_rows(list(checked.measures.values())),
        "plates": [_plate(checked.measures[case], status[case]) for case in shown],
        "left_out": max(0, len(checked.measures) - len(shown)),
        "first_channel": channels[0].name if channels else "",
        "case_heads": ["Scan", "State", "Patient", "Part", "Spacing, mm", "Lesions", "ml"],
        "case_rows": [_case_row(checked, case, state) for case, state in status.items()],
        "data_card": list(card_terms(finished_card(checked)).items()),
        "definitions": list(DEFINITIONS.items()),
    }


def _headline(checked: Checked, status: Mapping[str, str]) -> list[str]:
    patients = {scan.patient for scan in checked.measures.values()}
    lesions = sum(len(scan.lesion_volumes_mm3) for scan in checked.measures.values())
    states = Counter(status.values())
    bad = [
        f"{states[kind]} {words}"
        for kind, words in (
            ("rejected", "cannot be used"),
            ("error", "have an error"),
            ("warning", "have a warning"),
        )
        if states[kind]
    ]
    verdict = (
        f"Of {counted(len(status), 'scan')}, {', '.join(bad)}."
        if bad
        else "Nothing wrong was found."
    )
    return [
        f"{verdict} {counted(len(checked.measures), 'scan')} of "
        f"{counted(len(patients), 'patient')} could be read, with {counted(lesions, 'lesion')}.",
        f"Found: {checked.dataset.found}.",
    ]


def _groups(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """By severity; scans that share a finding word for word share a row."""
    groups = []
    for severity in reversed(ORDER[1:]):
        shared: dict[tuple[str, str], list[str]] = defaultdict(list)
        for one in findings:
            if one.severity == severity:
                shared[one.kind, one.text].append(one.case)
        rows = [
            {"kind": kind, "cases": _who(cases, text), "text": text}
            for (kind, text), cases in sorted(shared.items(), key=lambda item: item[0][0])
        ]
        if rows:
            title, advice = TITLES[severity]
            groups.append({"title": title, "advice": advice, "rows": rows})
    return groups


def _who(cases: Sequence[str], text: str) -> str:
    """The scans of a finding, unless its text names them itself."""
    named = len(cases) > 1 and all(case in text for case in cases[:2])
    return f"{len(cases)} scans" if named else listed(cases)


def _lesion_rows(checked: Checked, num_buckets: int) -> list[list[str]]:
    rows = []
    buckets = SizeBuckets.from_edges(checked.dataset.card.edges_mm)
    for part, words in (("train", "training"), ("test", "test")):
        scans = [scan for scan in checked.measures.values() if scan.split == part]
        if not scans:
            continue
        volumes = [volume for scan in scans for volume in scan.lesion_volumes_mm3]
        numbers = [buckets.number(volume) for volume in volumes]
        masked = [scan for scan in scans if scan.mask_voxels is not None]
        with_lesions = sum(bool(scan.lesion_volumes_mm3) for scan in masked)
        counts = [f"{numbers.count(n):,}" for n in range(num_buckets)]
        ml = sum(scan.lesion_ml for scan in masked) / len(masked) if masked else 0.0
        rows.append(
            [words, f"{len(scans)}", f"{with_lesions}", *counts, f"{len(volumes):,}", f"{ml:.2f}"]
        )
    return rows


def _class_rows(checked: Checked) -> list[list[str]]:
    """By part and class of several: patients and scans that have lesions of it, and how many."""
    classes = checked.dataset.labels.classes
    if len(classes) == 1:
        return []
    rows = []
    for part, words in (("train", "training"), ("test", "test")):
        scans = [scan for scan in checked.measures.values() if scan.split == part]
        for number, name in enumerate(classes.names if scans else ()):
            loads = [scan.class_loads(len(classes))[number] for scan in scans]
            patients = {scan.patient for scan, load in zip(scans, loads) if load}
            having = sum(load > 0 for load in loads)
            rows.append([words, name, f"{len(patients)}", f"{having}", f"{sum(loads):,}"])
    return rows


def _grid_rows(scans: Sequence[ScanMeasures]) -> list[tuple[str, str, int, str]]:
    grids: dict[tuple[str, str], list[str]] = defaultdict(list)
    for scan in scans:
        spacing = " x ".join(f"{mm:.3g}" for mm in scan.spacing_mm)
        grids[spacing, scan.orientation].append(scan.case)
    return [
        (spacing, orientation, len(cases), listed(cases, 3))
        for (spacing, orientation), cases in sorted(grids.items(), key=lambda item: -len(item[1]))
    ]


def _plate(scan: ScanMeasures, state: str) -> dict[str, str]:
    picture = np.repeat(scan.picture[..., None], 3, axis=2)
    colour = tuple(int(REFERENCE_COLOUR[n : n + 2], 16) for n in (1, 3, 5))
    picture[scan.picture == OUTLINE] = colour
    caption = scan.case if state in ("ok", "note") else f"{scan.case}: {state}"
    return {
        "source": data_uri(png(picture)),
        "alt": f"{scan.case}, axial slice",
        "caption": caption,
    }


def _case_row(checked: Checked, case: str, state: str) -> list[str]:
    scan = checked.measures.get(case)
    if scan is None:
        return [case, state, "", "", "", "", ""]
    spacing = " x ".join(f"{mm:.3g}" for mm in scan.spacing_mm)
    lesions, ml = "", ""
    if scan.mask_voxels is not None:
        lesions, ml = f"{len(scan.lesion_volumes_mm3)}", f"{scan.lesion_ml:.2f}"
    return [case, state, scan.patient, scan.split, spacing, lesions, ml]
