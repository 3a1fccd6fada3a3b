"""Words whose keys hold a name of the user's own: predictions.NAME=DIR.

Hydra's keys are made of letters, digits and few signs, and a dot parts them. A model may be called
"U-Net 2.5D", so these words are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.settings.record import Record
from lesionseg.settings.stages import open_keys

QUOTES = ("'", '"')
Named = Mapping[str, Mapping[str, str | None]]


def own_names(record: type[Record], words: Sequence[str]) -> tuple[list[str], Named]:
    """The other words, and by key the values of the user's names, in the order given.

    A name is all that stands between the first dot and the "=". Quotes around a name or a value are
    left out. Raises UsageError for an empty or unprintable name, one
    that is given twice, and an open quote.
    """
    others: list[str] = []
    named: dict[str, dict[str, str | None]] = {}
    keys = open_keys(record)
    for word in words:
        left, value = word.split("=", 1)
        key, dot, name = left.partition(".")
        if key not in keys or not dot:
            others.append(word)
            continue
        name = _unquoted(name, word)
        if not name.strip() or not name.isprintable():
            raise UsageError(f"got {word!r}; want a name behind the dot, like {key}.NAME={value}")
        if name in named.get(key, {}):
            raise UsageError(f"{key}.{name} is given twice; give each model a name of its own")
        named.setdefault(key, {})[name] = None if value == "null" else _unquoted(value, word)
    return others, named


def with_own_names(content: Any, named: Named) -> Any:
    """The settings with the values of these names added.

    Raises UsageError where a key was given as a whole too, as text.
    """
    for key, values in named.items():
        whole = content.get(key) or {}
        if not isinstance(whole, Mapping):
            raise UsageError(
                f"got both {key}={whole} and {key}.{next(iter(values))}; give each a name, like "
                f"{key}.NAME={whole}"
            )
        content = {**content, key: {**whole, **values}}
    return content


def _unquoted(text: str, word: str) -> str:
    if text[:1] not in QUOTES:
        return text
    if len(text) < 2 or text[-1] != text[0]:
        raise UsageError(
            f"{word!r} cannot be read; a name or value that begins with a quote ends with one"
        )
    return text[1:-1].replace(f"\\{text[0]}", text[0])
