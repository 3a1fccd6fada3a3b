"""By which rule a model's thresholds are chosen on validation."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lesionseg.settings.defaults import COMPARE_AT

FIXED_BUDGET, LEAST_RECALL, MAX_F1, MAX_QUALITY = "fp_per_scan", "recall", "max_f1", "max_quality"
FALSE_DISCOVERIES = "fdr"
WANTED = f"{FIXED_BUDGET}=N, {MAX_F1}, {MAX_QUALITY}, {LEAST_RECALL}=R or {FALSE_DISCOVERIES}=A"
DEFAULT = f"{FIXED_BUDGET}={COMPARE_AT:g}"  # what models are compared at


@dataclass(frozen=True)
class ThresholdRule:
    """kind: one of those of WANTED. value: false positives a scan, recall, or share of false
    discoveries; else NaN."""

    kind: str
    value: float = math.nan

    @property
    def words(self) -> str:
        """The rule in words, for tables."""
        if self.kind == FIXED_BUDGET:
            return f"the lowest score threshold with at most {self.value:g} false positives a scan"
        if self.kind == LEAST_RECALL:
            return f"the highest score threshold that finds {100 * self.value:g} % of the lesions"
        if self.kind == FALSE_DISCOVERIES:
            return (
                f"the lowest score threshold at which at most {100 * self.value:g} % of a new "
                "patient's reported lesions are false on average, with 90 % confidence"
            )
        if self.kind == MAX_F1:
            return "highest lesion F1"
        return "highest product of lesion F1 and mean Dice of the lesions found"


def threshold_rule(text: str) -> ThresholdRule:
    """The rule that a text like "fp_per_scan=2" means. Raises ValueError for any other."""
    if text in (MAX_F1, MAX_QUALITY):
        return ThresholdRule(text)
    parts = re.fullmatch(
        rf"({FIXED_BUDGET}|{LEAST_RECALL}|{FALSE_DISCOVERIES})=(\d+(?:\.\d+)?)", text
    )
    if parts is None:
        raise ValueError(f"want {WANTED}, with a number from 0 for N, R and A")
    kind, value = parts[1], float(parts[2])
    if kind == LEAST_RECALL and not 0 < value <= 1:
        raise ValueError(f"want {LEAST_RECALL}=R with R above 0 and at most 1")
    if kind == FALSE_DISCOVERIES and not 0 < value < 1:
        raise ValueError(f"want {FALSE_DISCOVERIES}=A with A above 0 and below 1")
    return ThresholdRule(kind, value)


def checked_rule(text: str) -> str:
    """The text itself. Raises ValueError where it means no rule."""
    threshold_rule(text)
    return text
