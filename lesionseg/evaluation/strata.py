"""The averages of the report within each stratum: scanner, centre, or whatever a patient has."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lesionseg.evaluation.statistics import DRAWS
from lesionseg.evaluation.summary import COLUMNS, summarise
from lesionseg.size_buckets import SizeBuckets

TESTS = ("p_value", "p_holm", "num_differing", "smallest_p", "deviation")


def summarise_strata(
    lesions: pd.DataFrame,
    predictions: pd.DataFrame,
    cases: pd.DataFrame,
    buckets: SizeBuckets,
    stratum_of: Mapping[str, str],
    *,
    model_of: Mapping[str, str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """The rows of `summary.summarise` for each stratum by itself, with a column stratum before.

    stratum_of: by patient. model_of: as in `seeds`. No tests are made within strata: they would be
    too many, of too few.
    """
    kept = [column for column in COLUMNS if column not in TESTS]
    parts = []
    strata = cases["patient"].map(stratum_of)
    for stratum in sorted(strata.unique()):
        names = cases.loc[strata == stratum, "case"]
        one, two, three = (t[t["case"].isin(names)] for t in (lesions, predictions, cases))
        found = summarise(one, two, three, buckets, model_of=model_of, draws=draws, seed=seed)[kept]
        found.insert(0, "stratum", stratum)
        parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
