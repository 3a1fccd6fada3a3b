"""The table of agreement in volume and number of lesions on the page."""

from __future__ import annotations

import math

import pandas as pd

from lesionseg.reporting.scoring.lookup import NOTHING, few_mark, number, records, signed
from lesionseg.reporting.tables.page_tables import Cell

HEADS = ("Model", "Patients", "Bias", "95 % limits of agreement", "ICC(2,1)")


def bland_altman_rows(table: pd.DataFrame) -> list[tuple[Cell, ...]]:
    """The quantity, then cells under HEADS. table: as `method_agreement` makes it."""
    rows = []
    for row in records(table):
        bias, low, high = (signed(row[k], 1) for k in ("bias", "low_limit", "high_limit"))
        limits = NOTHING if math.isnan(row["low_limit"]) else f"{low} to {high}"
        texts = (row["model"], f"{row['num_patients']}{few_mark(row)}", bias, limits)
        rows.append((Cell(row["quantity"]), *map(Cell, (*texts, number(row["icc"])))))
    return rows
