"""How much memory a file may ask for: no more than most of what is free."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

from lesionseg.errors import CaseError, UsageError

GROUPS = Path("/sys/fs/cgroup")  # control groups, with the limits of containers and batch jobs
OWN = Path("/proc/self/cgroup")  # in which of them this process is
TOO_LARGE = "it takes more memory than there is; check its spacing and size, or crop it"
SHARE = 0.8  # of the free memory, for one volume
# by version of control groups: controller, folder, limit, what is used, and the line of memory.stat
# that counts files that are cached and freed when memory is needed
VERSIONS = (
    ("", "", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
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


def refuse_settings_beyond_memory(
    wanted: int, what: str, remedy: str, free: int | None = None
) -> None:
    """Raise UsageError where `wanted` bytes, which settings ask for, are more than 80 % of the
    memory that is free. free: of another memory than this machine's, such as a GPU's."""
    free = free_memory() if free is None else free
    if wanted > SHARE * free:
        raise UsageError(
            f"{what}: {_gigabytes(wanted)} of memory at the least, {_gigabytes(free)} are free; "
            f"set {remedy}"
        )


def limit_memory(count: int) -> None:
    """Let this process take `count` more bytes than it has; a system without limits has none.

    A wish for more is a MemoryError then, and not the end of the whole run by the system.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + count
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def memory_errors(case: str) -> Iterator[None]:
    """Within, a lack of memory is an error of this case; the other cases go on."""
    try:
        yield
    except MemoryError as error:
        raise CaseError(case, TOO_LARGE) from error
    except RuntimeError as error:  # as torch says it, on the CPU and on a GPU
        if not re.search(r"out of memory|not enough memory|can't allocate", str(error)):
            raise
        raise CaseError(case, TOO_LARGE) from error


def free_memory() -> int:
    """Bytes that can be taken without swapping: the system's, or a container's where it is less."""
    return min([int(psutil.virtual_memory().available), *_free_of_groups()])


def _free_of_groups() -> list[int]:
    """What the control groups of this process and those around it leave free; none without limits.

    The limit of a batch job stands in a group of its own below the root.
    """
    found = []
    for controller, folder, limit, used, reclaimable in VERSIONS:
        for place in _own_groups(controller):
            group = GROUPS / folder / place
            try:
                left = int(_text(group / limit)) - int(_text(group / used))
                for line in _text(group / "memory.stat").splitlines():
                    if line.startswith(f"{reclaimable} "):
                        left += int(line.split()[1])
                found.append(max(0, left))
            except (OSError, ValueError, IndexError):  # no such group, or "max": no limit
                continue
    return found


def _own_groups(controller: str) -> list[str]:
    """The group of this process under a controller, and each one around it, the root last."""
    parts: tuple[str, ...] = ()
    try:
        for line in _text(OWN).splitlines():  # "4:memory:/job_17", in version 2 "0::/job_17"
            _, names, place = line.split(":", 2)
            if controller in names.split(","):
                parts = PurePosixPath(place).parts[1:]
    except (OSError, ValueError):  # no such file, as on other systems
        return [""]
    return ["/".join(parts[:num]) for num in range(len(parts), -1, -1)]


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
