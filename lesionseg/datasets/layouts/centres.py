"""Folders of centres that hold those of patients, told apart from patients' folders of visits.

A centre taken for a patient makes two patients of a cohort of two centres. A visit taken for a
patient is worse: the same patient would be trained and tested on. So a folder is of a centre where
its name or those in it say so, or where a few folders hold many each whose names do not recur.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

OF_PATIENT = re.compile(r"(patient|subject|sub|case)[-_ ]?\d", re.IGNORECASE)
OF_CENTRE = re.compile(
    r"(cent(er|re)|site|hospital|clinic|institute|scanner|vendor|cohort|batch)(?![a-z])",
    re.IGNORECASE,
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
