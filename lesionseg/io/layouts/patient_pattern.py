"""Regular expressions that come with data, held to those that always end soon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import Pattern
from typing import Any

from lesionseg.errors import UsageError

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_parse as parser

MOST_WIDE = 3  # repeats of WIDE lengths or more: with four, a name of 200 letters may take minutes
WIDE = 10
REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def patient_pattern(text: str) -> Pattern[str]:
    """The expression, compiled. Raises UsageError, in one line, for what is none or may hang.

    Matching backtracks: a repeat of what itself varies, as in (a+)+, may take longer than anybody
    waits on a name of 40 letters, and so may many long repeats in a row. Neither is needed to find
    a patient in a name.
    """
    try:
        compiled, tree = re.compile(text), parser.parse(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"patient pattern '{text}' is no regular expression: {error}") from error
    num_wide = 0
    for low, high, body in _repeats(tree):
        num_wide += int(high) - int(low) >= WIDE
        if int(high) > 1 and _varies(body):
            problem = "repeats what may itself vary"
            break
    else:
        if num_wide <= MOST_WIDE:
            return compiled
        problem = f"has {num_wide} long repeats, want at most {MOST_WIDE}"
    raise UsageError(
        f"patient pattern '{text}' {problem}, so matching it might not end; want one like '^[^_]+'"
    )


def _parts(tree: Any) -> Iterator[tuple[str, Any]]:
    """(name, argument) of every operation of a parsed expression, the nested ones included."""
    if isinstance(tree, parser.SubPattern):
        for operation, argument in tree:
            yield str(operation), argument
            yield from _parts(argument)
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from _parts(part)


def _repeats(tree: Any) -> Iterator[tuple[Any, Any, Any]]:
    return (argument for name, argument in _parts(tree) if name in REPEATS)


def _varies(tree: Any) -> bool:
    """Whether it may match the same text in more than one way, or texts of several lengths."""
    return any(name in ("BRANCH", "GROUPREF_EXISTS") for name, _ in _parts(tree)) or any(
        int(low) != int(high) for low, high, _ in _repeats(tree)
    )
