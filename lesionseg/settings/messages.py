"""From settings that do not fit to one line: the key, the value got and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lesionseg.errors import UsageError
from lesionseg.settings.record import NotKnown, Record, nearest
from lesionseg.settings.wanted import record_of, wanted

R = TypeVar("R", bound=Record)


def checked(record: type[R], content: Any, where: str = "") -> R:
    """The record that holds `content`, plain data.

    where: what stands before each key in a message, like "network.unet". Raises UsageError in one
    line that names the first key that is wrong, its value and what is wanted.
    """
    try:
        return record.model_validate(content)
    except ValidationError as error:
        raise UsageError(_explain(record, error, content, where)) from error


def _explain(record: type[Record], error: ValidationError, content: Any, where: str) -> str:
    first = error.errors()[0]
    parts, field = _place(record, first["loc"])
    key = ".".join([*([where] if where else []), *parts])
    if first["type"] == "extra_forbidden":
        return _unknown(record, first["loc"], where)
    own = first.get("ctx", {}).get("error")
    if field is None or (own and record_of(field.annotation)):  # of several keys together
        return str(own or first["msg"])
    if first["type"] == "missing":
        return f"{key} is missing; want {wanted(field).words}"
    value = _at(content, parts)
    if isinstance(own, NotKnown):
        return f"{key} has {own.value!r}; {own}" if own.listed else f"{key} is {value!r}, {own}"
    return f"{key} is {shown(value)}; {own or f'want {_words(field, key)}'}"


def _words(field: FieldInfo, key: str) -> str:
    return wanted(field).words.replace("KEY", key)


def shown(value: object) -> str:
    """A value as a message cites it."""
    words: Mapping[object, str] = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def _place(record: type[Record], loc: tuple[int | str, ...]) -> tuple[list[str], FieldInfo | None]:
    """The names on the way to where an error is, as far as they are fields, and the last field."""
    parts: list[str] = []
    field, inside = None, record
    for part in loc:
        if part not in inside.model_fields:
            break
        field = inside.model_fields[str(part)]
        parts.append(str(part))
        below = record_of(field.annotation)
        if below is None:
            break
        inside = below
    return parts, field


def _unknown(record: type[Record], loc: tuple[int | str, ...], where: str) -> str:
    parts, field = _place(record, loc)
    inside = record_of(field.annotation) if field else record
    known = sorted((inside or record).model_fields)
    place = ".".join([*([where] if where else []), *parts])
    near = nearest(str(loc[-1]), known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{place} has no setting {loc[-1]!r}{hint}; known: {', '.join(known)}".lstrip()


def _at(content: Any, parts: list[str]) -> Any:
    for part in parts:
        content = content[part] if isinstance(content, Mapping) else getattr(content, part)
    return content
