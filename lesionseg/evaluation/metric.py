"""What a metric is: one record says how it is made, averaged, written and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.matching import Matched
from lesionseg.evaluation.scored_case import ScoredCase

Average = Literal["pooled", "mean_over_cases", "median_over_cases"]
POOLED: Average = "pooled"  # sums over all lesions or scans before dividing
MEAN: Average = "mean_over_cases"  # divides in each case first
MEDIAN: Average = "median_over_cases"
Place = Literal["terminal", "sizes", "plot", "whole_scan", "cases"]
Weights = Mapping[str, float]


@dataclass(frozen=True)
class Metric:
    """A metric of the tables.

    key: its name in every table. label: in words. short: a shorter label for the middle of a line;
    by default the label. unit: "%" also says that shares are shown times 100. digits: shown
    behind the decimal point. definition: one or more sentences.

    averages: the averages over cases that the summary holds; none for a metric of the tables of
    cases or lesions alone.

    One of these says how it is computed.
    numerator, denominator: weights on the sums by case and size of `counts.count_by_bucket`; the
    metric is the ratio of the two.
    of_lesions: a value for each reference lesion, (R,), never NaN, which becomes a column of the
    lesion table; a ratio may be built on its sum by naming its key.
    of_case: the value of one scan, a column of the case table.
    of_cases: from the case table, where it is not one of its columns.
    of_scores: (scans, weights (draws, scans)) -> (draws,), over all score thresholds.

    shown: where, and at which place in the order there. top: the largest value there is, if any.
    of_reference: it is the same for every model, so that there is no difference to test.
    counts_things: it is the share of counted things, lesions for one, that have a property.
    """

    key: str
    label: str
    definition: str
    unit: str = ""
    digits: int = 2
    short: str = ""
    averages: tuple[Average, ...] = ()
    numerator: Weights = field(default_factory=dict)
    denominator: Weights = field(default_factory=dict)
    of_lesions: Callable[[Matched], NDArray] | None = None
    of_case: Callable[[ScoredCase], float] | None = None
    of_cases: Callable[[pd.DataFrame], pd.Series] | None = None
    of_scores: Callable[[Sequence[Candidates], NDArray], NDArray] | None = None
    shown: Mapping[Place, int] = field(default_factory=dict)
    top: float | None = None
    of_reference: bool = False
    counts_things: bool = False

    @property
    def scale(self) -> int:
        """What a value is multiplied by to be shown in its unit."""
        return 100 if self.unit == "%" else 1

    @property
    def heading(self) -> str:
        """Label and unit: "Lesions found, %"."""
        return self._with_unit(self.label)

    @property
    def short_heading(self) -> str:
        """The short label and unit: "found, %"."""
        return self._with_unit(self.short or self.label)

    def _with_unit(self, label: str) -> str:
        return f"{label}, {self.unit}" if self.unit else label
