"""Which class the lesions of each class are found as: a table a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lesionseg.evaluation.confusion import COLUMNS
from lesionseg.evaluation.seeds import trainings
from lesionseg.reporting.scoring.lookup import number, percent
from lesionseg.settings.defaults import MISSED, NO_CLASS

REFERENCE, PREDICTED, NUMBER = COLUMNS
SHARE = "share"
SHADES = 10  # steps of colour between no and all lesions of a row


@dataclass(frozen=True)
class ConfusionCell:
    """value: lesions. note: their share of the row. shade: 0 to SHADES, by that share. is_right:
    the class found is that of the reference."""

    value: str
    note: str
    shade: int
    is_right: bool


@dataclass(frozen=True)
class Confusion:
    """One model. heads: of the columns. rows: reference class, number of its lesions, cells."""

    model: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[ConfusionCell, ...]], ...]


def confusion_counts(
    table: pd.DataFrame,
    classes: Sequence[str],
    models: Sequence[str],
    model_of: Mapping[str, str],
) -> pd.DataFrame:
    """Lesions by model, reference class and predicted class, zeros too, and the share of the row.

    table: of all cases, with columns model and COLUMNS; without columns where there is no such
    table. models: its trainings; of several of a model it is the mean. The last reference class is
    NO_CLASS, of false positives; the last predicted one MISSED.
    """
    columns = ["model", *COLUMNS, SHARE]
    if not len(table.columns):
        return pd.DataFrame(columns=columns)
    rows = []
    for model, mine in trainings(models, model_of).items():
        own = table[table["model"].isin(mine)]
        counts = own.groupby([REFERENCE, PREDICTED])[NUMBER].sum().to_dict()
        for reference in (*classes, NO_CLASS):
            ends = (*classes,) if reference == NO_CLASS else (*classes, MISSED)
            found = [counts.get((reference, end), 0) / len(mine) for end in ends]
            total = sum(found)
            shares = [value / total if total else math.nan for value in found]
            rows += [(model, reference, *one) for one in zip(ends, found, shares)]
    return pd.DataFrame(rows, columns=columns)


def confusions(table: pd.DataFrame) -> list[Confusion]:
    """The table of `confusion_counts` as it stands on the page, a model at a time."""
    found = []
    for model in dict.fromkeys(table["model"]):
        mine = table[table["model"] == model]
        rows = []
        for reference in dict.fromkeys(mine[REFERENCE]):
            row = mine[mine[REFERENCE] == reference]
            cells = [
                _cell(*one) for one in zip(row[REFERENCE], row[PREDICTED], row[NUMBER], row[SHARE])
            ]
            if reference == NO_CLASS:
                cells.append(ConfusionCell("", "", 0, False))  # nothing is neither there nor found
            rows.append((str(reference), _count(float(row[NUMBER].sum())), tuple(cells)))
        found.append(Confusion(str(model), tuple(dict.fromkeys(mine[PREDICTED])), tuple(rows)))
    return found


def _cell(reference: str, predicted: str, num: float, share: float) -> ConfusionCell:
    known = not math.isnan(share)
    note = f"{percent(share)} %" if known else ""
    shade = round(SHADES * share) if known else 0
    return ConfusionCell(_count(num), note, shade, reference == predicted)


def _count(num: float) -> str:
    """A number of lesions; of the mean over trainings with a digit more."""
    return number(num, 0 if num == round(num) else 1)
