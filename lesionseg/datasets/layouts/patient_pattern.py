"""Regular expressions that come with data, matched with a time limit.

Matching backtracks: (a|aa)+$ takes longer than anybody waits on a name of 60 letters, and such
expressions cannot all be recognised by their text. So `regex` matches, whose search ends after a
time given. An expression must be one of Python's `re` too, so that it means what the documentation
of Python says.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import regex

from lesionseg.errors import UsageError

SECONDS = 5.0  # for one name
MOST_ELEMENTS = 100_000  # `regex` writes a{1000} out, at some 300 bytes a repeat
TOKEN = re.compile(
    r"(?P<comment>\(\?\#[^)]*\))|(?P<atom>\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\()"
    r"|(?P<close>\))|\{(?P<low>\d*),?(?P<high>\d*)\}|.",
    re.DOTALL,
)


def check_expression(text: str) -> None:
    """Raise UsageError, in one line, for what is no regular expression or too long a one."""
    _compiled(text)


def find_patient(text: str, case: str) -> str | None:
    """The expression's group "patient", or its whole match, in a case id; None where none fits
    or what fits is empty.

    Raises UsageError for what is no expression, and where matching does not end in time.
    """
    try:
        match = _compiled(text).search(case, timeout=SECONDS)
    except TimeoutError as error:
        raise UsageError(
            f"patient pattern '{text}' took more than {SECONDS:g} s on one case id, was stopped; "
            "want a plain one like '^[^_]+'"
        ) from error
    if match is None:
        return None
    return str(match.groupdict().get("patient") or match.group(0)) or None  # nothing is nobody


@functools.lru_cache(maxsize=8)
def _compiled(text: str) -> Any:
    try:
        flags = re.compile(text).flags
        if flags & re.VERBOSE or num_elements(text) > MOST_ELEMENTS:
            raise UsageError(
                f"patient pattern '{text[:200]}' is verbose or has too many repeats, want a plain "
                f"one of at most {MOST_ELEMENTS} elements like '^[^_]+'"
            )
        return regex.compile(text, regex.VERSION0)
    except (re.error, regex.error, RecursionError, OverflowError, ValueError) as error:
        raise UsageError(f"patient pattern '{text}' is no regular expression: {error}") from error


def num_elements(text: str) -> int:
    """How many elements an expression has when its counted repeats are written out.

    "(a{3}b){2}" has 10, a group being one itself. An open repeat like {3,} counts as its least
    number.
    """
    sizes, last = [0], 0
    for token in TOKEN.finditer(text):
        if token["comment"]:
            continue
        if token["open"]:
            sizes.append(1)
        elif token["close"] and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif token["low"] is not None:
            factor = max(1, *(int(number or 1) for number in (token["low"], token["high"])))
            sizes[-1] += last * (factor - 1)
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)
