"""The table of rank stability on the page: a row a figure and model."""

from __future__ import annotations

import pandas as pd

from lesionseg.reporting.scoring.lookup import percent


def ranking_heads(table: pd.DataFrame) -> list[str]:
    """Heads of the columns that follow the figure."""
    return ["Model", *(f"rank {rank}, %" for rank in sorted(set(table["rank"])))]


def ranking_rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Figure, model, and the share of draws in which it has each rank. Empty for two models."""
    return [
        (str(figure), str(model), *(percent(share) for share in mine.sort_values("rank")["share"]))
        for (figure, model), mine in table.groupby(["figure", "model"], sort=False)
    ]
