"""What `lesionseg report` is told, or measures, of the losses of the models."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionseg.evaluation import SizeBuckets
from lesionseg.reporting.plots.imbalance import read_loss_shares
from lesionseg.settings.report import ReportSettings


def report_losses(settings: ReportSettings) -> dict[str, pd.DataFrame | None]:
    """Tables for `PageInfo`: read, or measured on the models given; none without either.

    Raises UsageError for a table or a model folder that is none.
    """
    buckets = SizeBuckets.from_edges(settings.edges_mm)
    if settings.loss_shares:
        return {"loss_shares": read_loss_shares(Path(settings.loss_shares), buckets)}
    if not settings.models:
        return {}
    assert settings.cases  # the record refuses models without cases
    # masks are scored without torch; only models need it
    from lesionseg.stages.loss_measures import measures_of_models

    found = measures_of_models(
        {name: Path(folder) for name, folder in settings.models.items()},
        Path(settings.cases),
        buckets,
        num_slabs=settings.loss_slabs,
        num_lesions=settings.price_lesions,
        device=settings.device,
        keep=False,
    )
    return {"loss_shares": found.shares, "prices": found.prices}
