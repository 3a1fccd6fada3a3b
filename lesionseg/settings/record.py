"""The base of all settings, and the types that their fields are made of.

A type refuses what is not meant: "no" is not false, true is not 1, and nan is no number.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
)
from pydantic_core import CoreSchema, core_schema

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """Settings that are checked when they are made and never change afterwards.

    Raises pydantic's ValidationError for a wrong or unknown value; `messages.checked` raises a
    UsageError of one line instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def plain(self) -> dict[str, Any]:
        """The settings as plain data: dicts, lists, numbers, texts, True, False and None."""
        return self.model_dump(mode="json")

    def part(self, base: type[R]) -> R:
        """The fields of one of this record's own bases, as a record of that base alone."""
        return base.model_construct(**{name: getattr(self, name) for name in base.model_fields})


class NotKnown(ValueError):
    """A name that is not one of those known. listed: it stands in a list of names."""

    def __init__(self, value: object, names: Sequence[str], *, listed: bool) -> None:
        near = nearest(str(value), names)
        hint = f"; did you mean {near!r}?" if near else ""
        super().__init__(f"known: {', '.join(names)}{hint}")
        self.value, self.listed = value, listed


@dataclass(frozen=True)
class OneOf:
    """Annotates a text that is one of several names.

    The names are looked at when a value is checked, so that a list to which a name was added
    admits it.
    """

    names: Sequence[str]

    def check(self, value: str) -> str:
        if value not in self.names:
            raise NotKnown(value, self.names, listed=False)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


@dataclass(frozen=True)
class SomeOf:
    """Annotates a list of such names. least: how many there must be."""

    names: Sequence[str]
    least: int = 0

    def check(self, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if value not in self.names:
                raise NotKnown(value, self.names, listed=True)
        if len(set(values)) < len(values):
            raise ValueError(f"want each once; known: {', '.join(self.names)}")
        if len(values) < self.least:
            raise ValueError(f"want at least {self.least}; known: {', '.join(self.names)}")
        return values

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


@dataclass(frozen=True)
class InBraces:
    """Annotates values by name that are typed as a whole. example: how."""

    example: str


@dataclass(frozen=True)
class FreeText:
    """Annotates a text in which every letter stands for itself: a path, a title, an expression."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that is most like the word; None where none is."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        raise ValueError(f"want a regular expression, got {error}") from error
    return text


def _device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name):
        raise ValueError("give auto, cpu, cuda, cuda:0 or mps")
    return name


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("want a number, not true or false")
    return value


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, int) else value


def _as_typed(value: object) -> object:
    """A list of paths as it is typed, "[a,b]"; one path is taken as it is."""
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]" and "," in value:
        return [one.strip() for one in value[1:-1].split(",")]
    return value


def _ascending(edges: tuple[float, ...]) -> tuple[float, ...]:
    if not edges or any(low >= high for low, high in zip((0.0, *edges), edges)):
        raise ValueError("want a list, like [3,5,10], ascending from above 0")
    return edges


NoTruth = BeforeValidator(_no_truth)  # for Literal numbers, which true would equal
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Truth = Annotated[bool, Strict()]
Text = Annotated[str, Strict(), Field(min_length=1), FreeText()]

SeveralPaths = Annotated[tuple[Text, ...], Field(min_length=1)]
Paths = Annotated[Text | SeveralPaths, BeforeValidator(_as_typed)]

Count = Annotated[Whole, Field(ge=0)]
Positive = Annotated[Whole, Field(ge=1)]
Width = Annotated[Whole, Field(ge=1, le=4096)]  # channels or units of a layer
Depth = Annotated[Whole, Field(ge=0, le=100)]  # layers in a row
Bins = Annotated[Whole, Field(ge=1, le=128)]  # cells a side of what a head reads or writes
Share = Annotated[Number, Field(ge=0, le=1)]
NotNegative = Annotated[Number, Field(ge=0)]
AboveZero = Annotated[Number, Field(gt=0)]

MaskValues = Annotated[tuple[Positive, ...], Field(min_length=1), BeforeValidator(_one_or_several)]
ClassValues = dict[Text, MaskValues]  # class name -> the mask values that mark it

Expression = Annotated[Text, AfterValidator(_expression)]
DeviceName = Annotated[str, Strict(), AfterValidator(_device)]
Edges = Annotated[tuple[Number, ...], AfterValidator(_ascending)]
