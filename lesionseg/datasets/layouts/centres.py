"""Folders of centres that hold those of patients, told apart from patients' folders of visits.

A centre taken for a patient makes two patients of a cohort of two centres. A visit taken for a
patient is worse: the same patient would be trained and tested on. So a folder is of a centre where
its name or those in it say so, or where a few folders hold many each whose names do not recur.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lesionseg.datasets.layouts.scan_files import ScanFiles

OF_PATIENT = re.compile(r"(patient|subject|sub|case)[-_ ]?\d", re.IGNORECASE)
OF_CENTRE = re.compile(
    r"(cent(er|re)|site|hospital|clinic|institute|scanner|vendor|cohort|batch)(?![a-z]{2})",
    re.IGNORECASE,
)
# one patient may lie in two scanners or batches; two centres number their patients from 1 each
OF_OWN_NUMBERS = re.compile(
    r"(cent(er|re)|site|hospital|clinic|institute)(?![a-z]{2})", re.IGNORECASE
)
DATE = r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d.*"
VISIT = re.compile(
    r"(?:ses|session|visit|tp|timepoint)[-_ ]?[a-z]?\d*"
    r"|(?:time|scan|study|exam|t|v|m|w|y|d|day|week|month|year)[-_ ]?\d*"
    rf"|(?:bl|baseline|pre|post|fu|followup|follow-up)[-_ ]?\d*|{DATE}",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"[A-Za-z]{0,4}[-_ ]?\d+")  # as patients are: P01
NAMED = re.compile(r"(?=.*[A-Za-z])(?=.*\d).+")  # letters and a number
NAMES_SHOWN = 3  # that a message names
MOST_CENTRES, LEAST_PATIENTS = 12, 10


def centre_folders(nested: Iterable[Sequence[str]]) -> frozenset[str]:
    """The outer folders that are of centres. nested: (outer, inner) of folders that differ by scan;
    of more or fewer folders nothing is told."""
    inner: dict[str, set[str]] = defaultdict(set)
    for folders in nested:
        if len(folders) == 2:
            inner[folders[0]].add(folders[1])
    if _few_with_many(inner):
        return frozenset(inner)
    return frozenset(outer for outer, within in inner.items() if _is_centre(outer, within))


def with_centres_told_apart(scans: Sequence[ScanFiles]) -> tuple[list[ScanFiles], str]:
    """The scans with patients of one number in several centres as a patient of each, and in words
    what was done.

    Where the folders above are not called centres, or the patients have names and no numbers, the
    same name is the same patient, who would else be trained and tested on.
    """
    centres: dict[str, set[str]] = defaultdict(set)
    for scan in scans:
        centres[scan.patient].add(scan.group)
    recurring = [patient for patient, groups in centres.items() if len(groups) > 1]
    own = [patient for patient in recurring if _numbered_alike(patient, centres[patient])]
    one = [patient for patient in recurring if patient not in own]
    told = [
        dataclasses.replace(scan, patient=f"{scan.group}_{scan.patient}")
        if scan.patient in own
        else scan
        for scan in scans
    ]
    words = []
    if own:
        words.append(
            f"{_shown(own, centres)}: each centre's is a patient of its own; if they are one, set "
            "data.patient to what finds it in a case id"
        )
    if one:
        words.append(
            f"{_shown(one, centres)}: each name is taken for one patient; if they are several, set "
            "data.patient to what finds folder and patient in a case id"
        )
    return told, "; ".join(words)


def _numbered_alike(patient: str, groups: Iterable[str]) -> bool:
    """Whether centres that number their patients would both have one of this name."""
    numbered = NUMBERED.fullmatch(patient) or OF_PATIENT.match(patient)
    return bool(numbered) and all(map(OF_OWN_NUMBERS.match, groups))


def _shown(patients: Sequence[str], centres: Mapping[str, set[str]]) -> str:
    names = ", ".join(patients[:NAMES_SHOWN]) + (", ..." if len(patients) > NAMES_SHOWN else "")
    folders = ", ".join(sorted(filter(None, set().union(*(centres[one] for one in patients)))))
    return f"patients of one name in several of the folders {folders} ({names})"


def _is_centre(outer: str, inner: Iterable[str]) -> bool:
    """Whether the names of a folder and of those in it say that it is of a centre."""
    if OF_PATIENT.match(outer):
        return False
    return any(map(OF_PATIENT.match, inner)) or bool(
        OF_CENTRE.match(outer) and not any(map(VISIT.fullmatch, inner))
    )


def _few_with_many(inner: Mapping[str, set[str]]) -> bool:
    """Whether a few folders, not numbered as patients are, hold many each of which none recurs."""
    if not 2 <= len(inner) <= MOST_CENTRES or any(map(NUMBERED.fullmatch, inner)):
        return False
    counts = Counter(name for within in inner.values() for name in within)
    return (
        min(map(len, inner.values())) >= LEAST_PATIENTS
        and max(counts.values()) == 1
        and not any(map(OF_PATIENT.match, inner))
        and all(NAMED.fullmatch(name) and not VISIT.fullmatch(name) for name in counts)
    )
