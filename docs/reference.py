"""The pages of the command line and of every setting, made from the records."""

from __future__ import annotations

import itertools

from lesionseg.cli import HELP, STAGES
from lesionseg.composing.files import command
from lesionseg.composing.help import kind_in_words, stage_rows

SHARED = "run"  # demo and ablate inherit its keys; the defaults shown are its own


def command_line() -> str:
    """Every stage: what it does, how it is called, and its own keys."""
    exit_codes = HELP[HELP.index("exit codes:") :]
    parts = [
        "# Command line\n",
        "```\nlesionseg STAGE key=value ...\nlesionseg help STAGE\n"
        "lesionseg completion bash|zsh|fish\nlesionseg --version\n```\n",
        "Keys are `name=value` or `group.name=value`, lists `[a,b]`, nothing `null`. A wrong value "
        "or an unknown key is one line that says what is wanted, and exit code 2.\n",
        f"```\n{exit_codes.strip()}\n```\n",
    ]
    for stage, what in STAGES.items():
        parts.append(f"## {stage}\n\n{what[0].upper()}{what[1:]}.\n")
        parts.append("```\n" + "\n".join(command(stage)) + "\n```\n")
        own = [row for row in stage_rows(stage) if "." not in row.key]
        parts.append(_table(own))
        groups = dict.fromkeys(r.key.split(".")[0] for r in stage_rows(stage) if "." in r.key)
        if groups:
            links = ", ".join(f"[`{group}`](settings.md#{group})" for group in groups)
            parts.append(f"and the groups {links}.\n")
    return "\n".join(parts)


def settings() -> str:
    """Every key of every group, once."""
    rows = {}
    for stage in (SHARED, *STAGES):
        for row in stage_rows(stage):
            if "." in row.key:
                rows.setdefault(row.key, row)
    parts = [
        "# Settings\n",
        "Each key of a group with its default, what it takes, and what it does. They are checked "
        "before any work; `lesionseg STAGE --help` prints the same. The records are in "
        "`lesionseg/settings/`, one a group.\n",
    ]
    ordered = sorted(rows.values(), key=lambda row: row.key.split(".")[0])
    for group, members in itertools.groupby(ordered, key=lambda row: row.key.split(".")[0]):
        parts.append(f"## {group}\n")
        for part, rows_of_part in itertools.groupby(members, key=_part):
            parts.append(f"### {part}\n" if part != group else "")
            parts.append(_table(list(rows_of_part)))
    return "\n".join(parts)


def _part(row) -> str:
    """The network that a key is of, else its group."""
    group, name, *_ = row.key.split(".")
    return f"{group}.{name}" if group == "network" else group


def _table(rows) -> str:
    lines = ["| key | default | takes | |", "|---|---|---|---|"]
    for row in rows:
        cells = (f"`{row.key}`", f"`{row.default}`", kind_in_words(row), row.sentence)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
