"""The settings of every stage, and their rows for help and documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from lesionseg.settings.ablate import AblateSettings
from lesionseg.settings.check import CheckSettings
from lesionseg.settings.export import ExportSettings
from lesionseg.settings.finish import FinishSettings
from lesionseg.settings.predict import PredictSettings
from lesionseg.settings.record import Record
from lesionseg.settings.report import ReportSettings
from lesionseg.settings.run import PreprocessStageSettings, RunSettings, TrainStageSettings
from lesionseg.settings.wanted import is_free_text, record_of, shown_list, wanted

STAGE_RECORDS: Mapping[str, type[Record]] = {
    "demo": RunSettings,
    "check": CheckSettings,
    "preprocess": PreprocessStageSettings,
    "train": TrainStageSettings,
    "predict": PredictSettings,
    "export": ExportSettings,
    "report": ReportSettings,
    "finish": FinishSettings,
    "ablate": AblateSettings,
    "run": RunSettings,
}
REQUIRED = "???"


class Row(NamedTuple):
    """One setting of a stage, in words. limits: its range or choices."""

    stage: str
    key: str
    type: str
    default: str
    limits: str
    sentence: str


def setting_rows(stage: str, composed: Mapping[str, Any]) -> list[Row]:
    """A row for every key of a stage, in the order of its record, its own keys first.

    composed: the stage's settings as plain data, which hold the defaults; groups that are not in
    it, like data.phantom of other data, have no rows.
    """
    rows = []
    for key, field, value in fields_of(STAGE_RECORDS[stage], composed):
        what = wanted(field)
        kind = f"{what.kind} or null" if what.nullable else what.kind
        sentence = field.description or ""
        limits = what.limits.replace("KEY", key)
        rows.append(Row(stage, key, kind, shown_value(value), limits, sentence))
    return rows


def fields_of(
    record: type[Record], composed: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, FieldInfo, Any]]:
    """Dotted key, field and composed value of every setting: required, others, those of groups."""
    groups = []
    for name, field in sorted(record.model_fields.items(), key=lambda one: _place(*one)):
        below = record_of(field.annotation)
        if below is None:
            yield f"{prefix}{name}", field, composed[name]
        elif name in composed:
            groups.append((f"{prefix}{name}.", below, composed[name]))
    for place, below, values in groups:
        yield from fields_of(below, values, place)


def _place(name: str, field: FieldInfo) -> int:
    return 0 if field.is_required() and name != "network" else 2 if name == "network" else 1


def record_defaults(record: type[Record], *, groups: bool = True) -> dict[str, Any]:
    """The defaults of a record as plain data, ??? where there is none.

    groups: the records that it holds too, but for those that may be absent.
    """
    found: dict[str, Any] = {}
    for name, field in record.model_fields.items():
        below = record_of(field.annotation)
        if below is None:
            default = REQUIRED if field.is_required() else field.default
            found[name] = list(default) if isinstance(default, tuple) else default
        elif groups and field.is_required():
            found[name] = record_defaults(below)
    return found


def free_text_keys(record: type[Record], prefix: str = "") -> Iterator[str]:
    """Dotted keys of texts in which every letter stands for itself."""
    for name, field in record.model_fields.items():
        below = record_of(field.annotation)
        if below is not None:
            yield from free_text_keys(below, f"{prefix}{name}.")
        elif is_free_text(field):
            yield f"{prefix}{name}"


def open_keys(record: type[Record]) -> tuple[str, ...]:
    """Keys below which names are the user's own, like predictions.NAME."""
    return tuple(
        name for name, field in record.model_fields.items() if wanted(field).kind == "named values"
    )


def shown_value(value: Any) -> str:
    """A value as it is typed on a command line."""
    if value == REQUIRED:
        return "required"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(value) + "}" if value else "{}"
    return shown_list(value)
