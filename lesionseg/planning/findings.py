"""A finding: one thing that is, or may be, wrong with one scan or with the whole folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning", "error", "rejected"]
ORDER: tuple[Severity, ...] = ("ok", "note", "warning", "error", "rejected")


@dataclass(frozen=True)
class Finding:
    """case: empty for the whole folder. kind: a few words, the same for all of its kind.

    note: worth knowing. warning: probably wrong. error: scores would be wrong. rejected: unusable.
    """

    case: str
    severity: Severity
    kind: str
    text: str


def worst(findings: Sequence[Finding]) -> Severity:
    """The worst severity; "ok" where there is no finding."""
    return max((finding.severity for finding in findings), key=ORDER.index, default="ok")


def listed(names: Sequence[str], most: int = 6) -> str:
    """Some names, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def of_one_kind(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings in groups whose texts differ in names of scans and in numbers only, in the order of
    their first ones."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    kinds: dict[str, str] = {}  # of texts: one that names several scans is of one kind for all
    for one in findings:
        kind = kinds.setdefault(one.text, without_numbers(one.text, one.case))
        groups.setdefault((one.severity, one.kind, kind), []).append(one)
    return list(groups.values())


def without_numbers(text: str, case: str) -> str:
    """A text about a case with neither its name nor numbers: the same for what is of one kind."""
    return re.sub(rf"[-+]?\d[\d.,e+-]*|\b{re.escape(case)}\b", "#", text)
