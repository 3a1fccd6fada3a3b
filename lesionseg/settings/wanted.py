"""A field's type, range and choices in words: for messages and for help."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from lesionseg.settings.record import FreeText, InBraces, OneOf, Record, SomeOf

KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True)
class Wanted:
    """What a field takes. kind: its type. limits: its range or choices, "" where there are none.

    words: both, to stand after "want". nullable: null is a value too.
    """

    kind: str
    limits: str
    words: str
    nullable: bool = False


def wanted(field: FieldInfo) -> Wanted:
    """What the field of a record takes."""
    example = field.examples[0] if field.examples else None
    return _wanted(field.annotation, list(field.metadata), example)


def is_free_text(field: FieldInfo) -> bool:
    """Whether every letter of a value stands for itself, as in a path."""
    return any(isinstance(one, FreeText) for one in _metadata(field.annotation, field.metadata))


def record_of(annotation: Any) -> type[Record] | None:
    """The record that a field holds, or may hold; None for a field of another kind."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, Record):
            return one
    return None


def _metadata(annotation: Any, own: Iterable[Any]) -> list[Any]:
    found = list(own)
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _metadata(inner, [*found, *more])
    if _is_union(annotation):
        for part in get_args(annotation):
            found += _metadata(part, [])
    return found


def _wanted(annotation: Any, metadata: list[Any], example: Any) -> Wanted:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _wanted(inner, [*_spread(more), *metadata], example)
    if _is_union(annotation):
        return _of_union(annotation, metadata, example)
    names = next((one.names for one in metadata if isinstance(one, (OneOf, SomeOf))), None)
    if get_origin(annotation) is tuple:
        kind, like = "list", f", like {shown_list(example)}" if example is not None else ""
        limits = f"of {_listed(names)}" if names else f"like {shown_list(example)}" if like else ""
        return Wanted(kind, limits, f"a list{like}")
    if names:
        return Wanted("name", _listed(names), _listed(names))
    if get_origin(annotation) is Literal:
        choices = _listed([str(value) for value in get_args(annotation)])
        return Wanted("choice", choices, choices)
    if get_origin(annotation) is dict:
        braces = next((one.example for one in metadata if isinstance(one, InBraces)), None)
        if braces is not None:
            return Wanted("values by name", f"like {braces}", f"values by name, like {braces}")
        return Wanted("named values", "KEY.NAME=VALUE", "named values, like KEY.NAME=VALUE")
    kind = KINDS.get(annotation, "value")
    if annotation is bool:
        return Wanted(kind, "", kind)
    limits = _range(_spread(metadata))
    return Wanted(kind, limits, f"a {kind} {limits}".rstrip())


def _of_union(annotation: Any, metadata: list[Any], example: Any) -> Wanted:
    args = get_args(annotation)
    parts = [_wanted(one, metadata, example) for one in args if one is not type(None)]
    words = ", or ".join(part.words for part in parts)
    return Wanted(
        " or ".join(dict.fromkeys(part.kind for part in parts)),
        parts[0].limits if len(parts) == 1 else words,
        words,
        nullable=type(None) in args,
    )


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _spread(metadata: Iterable[Any]) -> list[Any]:
    """Bounds that stand inside a Field, beside those that stand alone."""
    found: list[Any] = []
    for one in metadata:
        found += one.metadata if isinstance(one, FieldInfo) else [one]
    return found


def _range(metadata: Iterable[Any]) -> str:
    bounds: dict[str, float] = {}
    for one in metadata:
        for name in ("ge", "gt", "le", "lt"):
            if getattr(one, name, None) is not None:
                bounds[name] = getattr(one, name)
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']:g} to {bounds['le']:g}"
    words = {"ge": "of at least", "gt": "above", "le": "up to", "lt": "below"}
    return " and ".join(f"{words[name]} {bound:g}" for name, bound in bounds.items())


def shown_list(value: Any) -> str:
    """A list as it is typed on a command line: [3,5,10]."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(shown_list(one) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
