"""The table of strata on the page: a row a stratum and model."""

from __future__ import annotations

import pandas as pd

from lesionseg.evaluation.metrics import METRICS
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.tables.page_tables import Cell, value_cell
from lesionseg.wording import counted

SHOWN = ("recall", "region_dice", "lesion_dice", "fp_per_scan")
HEADS = ("Model", "Lesions", *(METRICS[key].heading for key in SHOWN))


def strata_rows(table: pd.DataFrame) -> list[tuple[Cell, ...]]:
    """The averages of all sizes by stratum, as cells: the stratum, then those under HEADS.

    table: as `summarise_strata` makes it.
    """
    rows = []
    for stratum in dict.fromkeys(table["stratum"]) if len(table) else ():
        mine = Summary(table[table["stratum"] == stratum])
        for model in mine.models:
            whole = mine.row(model, "fp_per_scan")
            assert whole is not None
            scans = (
                f"{counted(whole['num_cases'], 'scan')} of "
                f"{counted(whole['num_patients'], 'patient')}"
            )
            figures = (value_cell(METRICS[key], mine.row(model, key)) for key in SHOWN)
            lesions = Cell(f"{whole['num_lesions']}")
            rows.append((Cell(str(stratum), scans), Cell(model), lesions, *figures))
    return rows
