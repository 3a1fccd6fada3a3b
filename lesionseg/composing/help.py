"""What `lesionseg STAGE --help` prints: every key with its default, range and sentence."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from lesionseg.composing.files import chosen_groups, command, composed, options
from lesionseg.settings.stages import Row, setting_rows

WIDTH = 100


def stage_rows(stage: str) -> list[Row]:
    """A row for every key of a stage, with the default that its files and the records make."""
    return setting_rows(stage, composed(stage))


def stage_help(stage: str, what: str) -> str:
    """The stage's keys, by group. what: what the stage does, in a few words."""
    lines = [f"lesionseg {stage}: {what}", ""]
    lines += [f"  {words}" for words in command(stage)]
    chosen, group = chosen_groups(stage), None
    for row in stage_rows(stage):
        own = row.key.rpartition(".")[0]
        if own != group:
            group = own
            lines += ["", f"[{group}]" if group else "[keys]"]
            lines += _choices(group, chosen)
        lines += _row(row)
    return "\n".join(lines)


def _choices(group: str, chosen: dict[str, tuple[str, str]]) -> Iterator[str]:
    """How to choose another option of the group, where there is another."""
    name, option = chosen.get(group, ("", ""))
    known = options(name) if name else ()
    if len(known) > 1 and not name.startswith("network"):
        words = f"{name}=OPTION, one of {', '.join(known)}; below as of {name}={option}"
        yield from textwrap.wrap(words, WIDTH, initial_indent="  ", subsequent_indent="  ")


def kind_in_words(row: Row) -> str:
    """What a key takes: "number from 0 to 1, or null"."""
    kind, null = row.type.removesuffix(" or null"), row.type.endswith(" or null")
    if row.limits:
        kind += (" " if row.limits.startswith(("of ", "from ", "above ")) else ": ") + row.limits
    return f"{kind}, or null" if null else kind


def _row(row: Row) -> Iterator[str]:
    default = row.default if row.default == "required" else f"= {row.default}"
    first = textwrap.wrap(
        f"{row.key} {default}  ({kind_in_words(row)})", WIDTH - 4, break_long_words=False
    )
    yield f"  {first[0]}"
    yield from (f"      {line}" for line in first[1:])
    indent = " " * 6
    yield from textwrap.wrap(row.sentence, WIDTH, initial_indent=indent, subsequent_indent=indent)
