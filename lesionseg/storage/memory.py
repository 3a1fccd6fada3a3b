"""How much memory a file may ask for: no more than most of what is free."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from lesionseg.errors import CaseError

UNKNOWN_FREE = 4 << 30  # where the system does not say: what a small laptop has to spare
GROUP = Path("/sys/fs/cgroup")  # version 2, as containers see their own
SHARE = 0.8  # of the free memory, for one volume


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
    if sys.platform.startswith("linux"):
        return _linux_free()
    if sys.platform == "win32":
        return _windows_free()
    if sys.platform == "darwin":  # says only what it has; half of that is a careful guess
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN_FREE


def _linux_free() -> int:
    """What is used of a container's share counts files it has read, which give way when asked."""
    free = UNKNOWN_FREE
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        limit = int((GROUP / "memory.max").read_text(encoding="ascii"))
        used = int((GROUP / "memory.current").read_text(encoding="ascii"))
        for line in (GROUP / "memory.stat").read_text(encoding="ascii").splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
        return min(free, max(0, limit - used))
    except (OSError, ValueError, IndexError):  # no container, or one without a limit
        return free


def _windows_free() -> int:
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "total_page", "free_page")),
            *((name, ctypes.c_ulonglong) for name in ("total_virtual", "free_virtual", "extended")),
        ]

    status = Status()
    status.length = ctypes.sizeof(Status)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  # absent elsewhere
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else UNKNOWN_FREE


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
