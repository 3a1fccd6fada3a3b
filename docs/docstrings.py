"""How docstrings become pages: arguments as a list, examples as code.

The docstrings name an argument by "name: what it is", in sentences; griffe reads them with this.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!\s*$).*\n?)*)+", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites the docstring of every function and class for Markdown."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        names = [p.name for p in func.parameters if p.name != "self"]
        self._rewrite(func, names)

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        self._rewrite(cls, [name for name, member in cls.members.items() if member.is_attribute])

    @staticmethod
    def _rewrite(described: griffe.Object, names: list[str]) -> None:
        if described.docstring is not None:
            described.docstring.value = as_markdown(described.docstring.value, names)


def as_markdown(docstring: str, names: list[str]) -> str:
    """The docstring with "name: " of each of `names` as an item of a list, and `>>>` as code."""
    paragraphs = [
        f"```pycon\n{paragraph}\n```"
        if EXAMPLE.fullmatch(paragraph + "\n")
        else _arguments(paragraph, names)
        for paragraph in docstring.strip().split("\n\n")
    ]
    return "\n\n".join(paragraphs)


def _arguments(paragraph: str, names: list[str]) -> str:
    """Sentences that begin with "name: " or "name, name: " as items, after those before them."""
    if not names:
        return paragraph
    name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    start = re.compile(rf"(?:(?<=[.;]\s)|^)((?:{name})(?:, (?:{name}))*):\s+", re.MULTILINE)
    pieces = start.split(paragraph)
    if len(pieces) == 1:
        return paragraph
    items = [
        f"- **{named}**: {' '.join(what.split())}"
        for named, what in zip(pieces[1::2], pieces[2::2])
    ]
    return "\n\n".join(part for part in (pieces[0].strip(), "\n".join(items)) if part)
