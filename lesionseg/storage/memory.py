"""How much memory a file may ask for: no more than most of what is free."""

from __future__ import annotations

from pathlib import Path

import psutil

from lesionseg.errors import CaseError

GROUPS = Path("/sys/fs/cgroup")  # limits of a container, as seen from inside
SHARE = 0.8  # of the free memory, for one volume
# by version of control groups: limit, what is used, and the line of memory.stat that counts files
# that are cached and freed when memory is needed
GROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def refuse_beyond_memory(wanted: int, name: str, case: str) -> None:
    """Raise CaseError where `wanted` bytes are more than 80 % of the memory that is free."""
    free = free_memory()
    if wanted > SHARE * free:
        raise CaseError(
            case,
            f"{name} takes {_gigabytes(wanted)} of memory, {_gigabytes(free)} are free; crop it, "
            "check its header, or use a machine with more",
        )


def free_memory() -> int:
    """Bytes that can be taken without swapping: the system's, or a container's where it is less."""
    return min([int(psutil.virtual_memory().available), *_free_of_groups()])


def _free_of_groups() -> list[int]:
    """What the control groups of this process leave free; none where there is no limit."""
    found = []
    for limit, used, table, reclaimable in GROUP_FILES:
        try:
            left = int(_text(limit)) - int(_text(used))
            for line in _text(table).splitlines():
                if line.startswith(f"{reclaimable} "):
                    left += int(line.split()[1])
            found.append(max(0, left))
        except (OSError, ValueError, IndexError):  # no such group, or "max": no limit
            continue
    return found


def _text(name: str) -> str:
    return (GROUPS / name).read_text(encoding="ascii")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
