"""What the page says beyond the scores, and what of it differs between the models."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lesionseg.reporting.scoring.participants import Strata

PROMISED = "false positives a scan on validation"  # of `PageInfo.training`, as a number
FROM_MODEL_JSON = re.compile(r"training\.threshold_choice\..+\.fp_per_scan")  # of each class
DEFAULT_TITLE = "Lesions found and missed, by size"


@dataclass(frozen=True, eq=False)
class PageInfo:
    """All optional. Nothing that names a person, or a path of the machine, belongs here.

    strata: of the patients, for whom averages are given by stratum too.
    unmatched: sentences on what was left out of the folders. unpredicted: the cases among it that
    no model has. notes: sentences on what was taken for what. predicted: a sentence for the top, on
    how the scans were predicted where it was not by one training a model.
    loss_shares: as `imbalance.check_loss_shares` wants it; written as a CSV. prices: PRICE_COLUMNS
    of `plots.missing_price`, of missing one lesion; drawn in the imbalance section.
    agreement: of several raters, as `agreement.rater_agreement` makes it: the ceiling of a model.
    training: by model, how it was trained; the page shows what differs.
    data_card, provenance: terms and texts.
    """

    title: str = DEFAULT_TITLE
    strata: Strata | None = None
    unmatched: Sequence[str] = ()
    unpredicted: Sequence[str] = ()
    notes: Sequence[str] = ()
    predicted: str = ""
    loss_shares: pd.DataFrame | None = None
    prices: pd.DataFrame | None = None
    agreement: pd.DataFrame | None = None
    training: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    data_card: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """models: heads. differing: (what, value by model). common: (what, value)."""

    models: tuple[str, ...]
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    common: tuple[tuple[str, str], ...]


def compare_training(training: Mapping[str, Mapping[str, str]]) -> Training | None:
    """Split what is known of the models' training into what differs and what is common."""
    if not training:
        return None
    models = tuple(training)
    keys = list(dict.fromkeys(key for values in training.values() for key in values))
    rows = [(key, tuple(training[m].get(key, "") for m in models)) for key in keys]
    alone = len(models) == 1
    return Training(
        models=models,
        differing=tuple(r for r in rows if alone or len(set(r[1])) > 1),
        common=() if alone else tuple((k, v[0]) for k, v in rows if len(set(v)) == 1),
    )


def promised(training: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    """False positives a scan that each model's thresholds had on validation, where known."""
    found = {}
    for model, values in training.items():
        by_class = [text for key, text in values.items() if FROM_MODEL_JSON.fullmatch(key)]
        texts = [values[PROMISED]] if PROMISED in values else by_class
        if texts:
            with contextlib.suppress(ValueError):
                found[model] = sum(map(float, texts))
    return found


def flatten(content: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and texts."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)):
            flat[f"{prefix}{key}"] = ", ".join(map(str, value))
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat
