"""Regular expressions that come with data, matched where they can be stopped.

Matching backtracks: (a+)+$ takes longer than anybody waits on a name of 40 letters, and no rule on
the text of an expression tells all such from the harmless. So a child process matches, and is ended
when it has not answered in time.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import re
import subprocess
import sys
import threading

from lesionseg.errors import UsageError

SECONDS = 5.0  # for one name
# one JSON line in, one out: the group "patient", else the whole match, else null
MATCHER = """
import json, re, sys
expression = re.compile(json.loads(sys.stdin.readline()))
for line in sys.stdin:
    match = expression.search(json.loads(line))
    found = match and (match.groupdict().get("patient") or match.group(0))
    print(json.dumps(found), flush=True)
"""
_children: dict[str, subprocess.Popen[str]] = {}  # by expression


def check_expression(text: str) -> None:
    """Raise UsageError, in one line, for what is no regular expression."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        raise UsageError(f"patient pattern '{text}' is no regular expression: {error}") from error


def find_patient(text: str, case: str) -> str | None:
    """The expression's group "patient", or its whole match, in a case id; None where none fits.

    Raises UsageError for what is no expression, and where matching does not end in time.
    """
    child = _matcher(text)
    assert child.stdin is not None
    assert child.stdout is not None
    watch = threading.Timer(SECONDS, child.kill)
    watch.daemon = True
    watch.start()
    answer, trouble = "", None
    try:
        child.stdin.write(json.dumps(case) + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
    except OSError as error:  # it was ended while it was spoken to
        trouble = error
    finally:
        watch.cancel()
        if not answer.endswith("\n"):  # interrupted, too: it must not answer the next one with this
            _end()
    if not answer.endswith("\n"):
        raise UsageError(
            f"patient pattern '{text}' took more than {SECONDS:g} s on one case id, was stopped; "
            "want a plain one like '^[^_]+'"
        ) from trouble
    found = json.loads(answer)
    return None if found is None else str(found)


def _matcher(text: str) -> subprocess.Popen[str]:
    """The child that matches this expression; there is one at a time."""
    if text not in _children:
        check_expression(text)
        _end()
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", MATCHER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        _children[text] = child
        assert child.stdin is not None
        child.stdin.write(json.dumps(text) + "\n")
        child.stdin.flush()
    return _children[text]


@atexit.register
def _end() -> None:
    while _children:
        _, child = _children.popitem()
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent yet has no reader
                    pipe.close()
        child.wait()
