"""The scores of one case as a file, so that several jobs can score and one can make the report.

JSON holds every number as it is: what is read again equals what was written, to the last digit and
with the same types, so that tables made of it are the same, byte by byte.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionseg import __version__
from lesionseg.errors import CaseError
from lesionseg.evaluation import Candidates
from lesionseg.io.reading import content_files
from lesionseg.reporting.scoring.class_labels import MaskValues
from lesionseg.reporting.scoring.recorded_classes import record_of
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.scoring.score_case import CaseResult, ClassTables, score_case
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_files, sha256_of_json
from lesionseg.storage.json_file import read_json

MOST_BYTES = 1 << 30  # of the scores of a case with very many candidates


def score_and_store(
    case: ReportCase, options: ScoringOptions, models: Sequence[str], *, folder: Path
) -> CaseResult:
    """`score_case`, unless `folder` holds the result of these very files and options.

    Raises OutputError where the result cannot be written.
    """
    key = _key(case, options, models)
    path = folder / f"{case.case}.json"
    found = _read(path, key)
    if found is not None:
        return found
    result = score_case(case, options, models)
    write_text(path, json.dumps({"key": key, **_encoded(result)}, allow_nan=False) + "\n")
    return result


def _key(case: ReportCase, options: ScoringOptions, models: Sequence[str]) -> str:
    """Of all that shapes the scores. Raises CaseError for a file that cannot be read."""
    try:
        files = {
            model: _sha256(_files(case.predictions[model]))
            for model in models
            if model in case.predictions
        }
        reference = _sha256([case.reference])
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        name = Path(str(error.filename or case.reference)).name
        raise CaseError(case.case, f"{name} cannot be read: {reason}") from error
    how = [__version__, case.case, case.patient, options.plain(), list(models)]
    names = [case.reference.name, {m: one.mask.name for m, one in case.predictions.items()}]
    return sha256_of_json([how, names, reference, files])


def _files(files: PredictionFiles) -> Iterator[Path]:
    """All files of a prediction that are read, each after its role."""
    record = record_of(files.mask)
    roles = (files.mask, files.instances, files.lesions, files.candidates, files.candidate_table)
    yield from (path for path in (*roles, files.probability) if path is not None)
    yield from (files.class_probabilities[name] for name in sorted(files.class_probabilities))
    if record.is_file():
        yield record


def _sha256(paths: Iterator[Path] | Sequence[Path]) -> list[list[str]]:
    return [[path.name, sha256_of_files(content_files(path))] for path in paths]


def _read(path: Path, key: str) -> CaseResult | None:
    """A stored result; None where there is none of this key that can be read."""
    try:
        content = read_json(path, most=MOST_BYTES)
        return _decoded(content) if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _encoded(result: CaseResult) -> dict[str, Any]:
    return {
        "tables": [
            [one.name, _frame(one.lesions), _frame(one.predictions), _cells(one.figures)]
            for one in result.tables
        ],
        "candidates": [
            [name, model, {k: _array(v) for k, v in vars(one).items()}]
            for (name, model), one in result.candidates.items()
        ],
        "confusion": [_frame(one) for one in result.confusion],
        "rejected": [list(one) for one in result.rejected],
        "notes": result.notes,
        "looks": [dataclasses.asdict(one) for one in result.looks],
        "edited": result.edited,
        "as_empty": result.as_empty,
        "labelled": {name: [has, list(other)] for name, (has, other) in result.labelled.items()},
    }


def _decoded(content: Mapping[str, Any]) -> CaseResult:
    return CaseResult(
        tables=[
            ClassTables(name, _table(lesions), _table(predictions), _values(figures))
            for name, lesions, predictions, figures in content["tables"]
        ],
        candidates={
            (name, model): Candidates(**{k: _numbers(v) for k, v in parts.items()})
            for name, model, parts in content["candidates"]
        },
        confusion=[table for one in content["confusion"] if (table := _table(one)) is not None],
        rejected=[(model, case, reason) for model, case, reason in content["rejected"]],
        notes=list(content["notes"]),
        looks=[_look(one) for one in content["looks"]],
        edited=list(content["edited"]),
        as_empty=list(content["as_empty"]),
        labelled={name: (has, tuple(o)) for name, (has, o) in content["labelled"].items()},
    )


def _look(content: Mapping[str, Any]) -> MaskValues:
    parts: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return MaskValues(**parts)


def _frame(table: pd.DataFrame | None) -> dict[str, Any] | None:
    """A table, column by column, each with its type."""
    if table is None:
        return None
    columns = [[str(name), str(table[name].dtype), _cells_of(table[name])] for name in table]
    return {"rows": len(table), "columns": columns}


def _table(content: Mapping[str, Any] | None) -> pd.DataFrame | None:
    if content is None:
        return None
    index = pd.RangeIndex(content["rows"])
    columns = {
        name: pd.Series([_value(cell) for cell in cells], index=index, dtype=dtype)
        for name, dtype, cells in content["columns"]
    }
    return pd.DataFrame(columns, index=index)


def _cells_of(column: pd.Series[Any]) -> list[Any]:
    return [_cell(value) for value in column.tolist()]


def _array(values: Any) -> list[Any]:
    return [str(values.dtype), [_cell(value) for value in values.tolist()]]


def _numbers(content: Sequence[Any]) -> Any:
    dtype, cells = content
    return np.array([_value(cell) for cell in cells], dtype=np.dtype(dtype))


def _cells(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cell(value) for name, value in values.items()}


def _values(cells: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(cell) for name, cell in cells.items()}


def _cell(value: Any) -> Any:
    """A text, number, truth or nothing as JSON has it; numbers that it has not, by name."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"a score of type {type(value).__name__} cannot be stored")


def _value(cell: Any) -> Any:
    return float(cell["number"]) if isinstance(cell, dict) else cell
