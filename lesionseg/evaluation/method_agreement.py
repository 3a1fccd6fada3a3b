"""How well volumes and counts of lesions agree with the reference: Bland-Altman and ICC(2,1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

QUANTITIES = {  # in words: columns of the case table, of the reference and of the prediction
    "lesion volume, mm³": ("reference_volume_mm3", "predicted_volume_mm3"),
    "number of lesions": ("num_reference", "num_predicted"),
}
COLUMNS = ["model", "quantity", "num_patients", "bias", "low_limit", "high_limit", "icc"]


def method_agreement(cases: pd.DataFrame) -> pd.DataFrame:
    """One row per model and quantity, over patients: the mean of a patient's scans counts once.

    cases: the table of `evaluate_case` with columns model, case and patient. bias: mean of
    predicted less reference. low_limit, high_limit: bias less and plus 1.96 standard deviations,
    between which 95 % of patients lie where the differences are normal (Bland and Altman, Lancet,
    1986). icc: as `icc_2_1`. Limits and icc are NaN below two patients.
    """
    rows: list[dict[str, Any]] = []
    for model, mine in cases.groupby("model", sort=False):
        for quantity, columns in QUANTITIES.items():
            values = mine.groupby("patient")[list(columns)].mean().to_numpy(float)
            difference = values[:, 1] - values[:, 0]
            spread = 1.96 * difference.std(ddof=1) if len(difference) > 1 else math.nan
            bias = float(difference.mean())
            row = (model, quantity, len(values), bias, bias - spread, bias + spread)
            rows.append(dict(zip(COLUMNS, (*row, icc_2_1(values)))))
    return pd.DataFrame(rows, columns=COLUMNS)


def icc_2_1(values: ArrayLike) -> float:
    """Intraclass correlation of (subjects, raters): absolute agreement of single raters.

    Two-way random effects (Shrout and Fleiss, Psychological Bulletin 86, 1979). NaN below two
    subjects, and where nothing varies.
    """
    table: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    n, k = table.shape
    if n < 2:
        return math.nan
    subjects, raters, all_of = table.mean(axis=1), table.mean(axis=0), table.mean()
    between = k * ((subjects - all_of) ** 2).sum() / (n - 1)
    across = n * ((raters - all_of) ** 2).sum() / (k - 1)
    rest = ((table - subjects[:, None] - raters + all_of) ** 2).sum() / ((n - 1) * (k - 1))
    total = between + (k - 1) * rest + k * (across - rest) / n
    return float((between - rest) / total) if total > 0 else math.nan
