"""A lock as a file: its owner, a heartbeat, and how another takes over from an owner who is gone.

The file names host, process and a token of the run, and its age is the heartbeat. No clock of one
machine is compared with that of another, and a process is known by what its system counts from its
own start, so that a clock that is set does not make an owner another.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from lesionseg.errors import LockedError
from lesionseg.storage.text_file import read_text

BEAT_SECONDS = 10.0
STALE_SECONDS = 300.0  # without a heartbeat: the host may be down
WATCHED_BEATS = 3  # of an owner on another host before it counts as gone

Owner = Mapping[str, object]


def take(path: Path, token: str, refusal: Callable[[Owner], str]) -> Owner | None:
    """Make the lock file, or take over that of an owner who is gone: that owner, or None.

    refusal: what to say of an owner who is there. Raises LockedError with it.
    """
    if _create(path, token):
        return None
    guard = path.with_name(f"{path.name}.takeover")  # of several who find it dead, one takes over
    if not _create(guard, token):
        if not _is_dead(guard, owner_of(guard)):
            raise LockedError(refusal(owner_of(path)))
        guard.unlink(missing_ok=True)  # of one that was killed while it took over
        if not _create(guard, token):
            raise LockedError(refusal(owner_of(path)))
    try:
        owner = owner_of(path)
        if path.exists() and not _is_dead(path, owner):
            raise LockedError(refusal(owner))
        path.unlink(missing_ok=True)
        if not _create(path, token):
            raise LockedError(refusal(owner_of(path)))
    finally:
        guard.unlink(missing_ok=True)
    return owner


def release(path: Path, token: str) -> None:
    """Remove the lock file, unless it is another's now."""
    if owner_of(path).get("token") == token:
        path.unlink(missing_ok=True)


def owner_of(path: Path) -> dict[str, object]:
    """What the lock file says; nothing where it is absent, half written or garbled."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def is_held(path: Path) -> bool:
    """Whether there is a lock file whose owner is not gone."""
    return path.exists() and not _is_dead(path, owner_of(path))


def beat(path: Path, token: str, done: threading.Event) -> None:
    """Touch the lock file until `done` is set, while it is this run's."""
    while not done.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):
            if owner_of(path).get("token") == token:
                now = time.time()
                os.utime(path, (now, now) if os.name == "nt" else None)


def who(owner: Owner) -> str:
    """The owner in words."""
    return f"host {owner.get('host', 'unknown')}, pid {owner.get('pid', 'unknown')}"


def _create(path: Path, token: str) -> bool:
    """Write a lock file; False where there is one."""
    content = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "namespace": _namespace(),
        "token": token,
    }
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with open(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return True


def _is_dead(path: Path, owner: Owner) -> bool:
    """Whether the owner of a lock file is gone.

    A process of this host is looked up: one that is stopped lives, however old its heartbeat. That
    works within one namespace of pids only, as containers have their own. Of all others the
    heartbeat tells, and one that looks old is watched, since a file server's clock may be set.
    """
    age = _age(path)
    if age is None:
        return True
    pid, started = owner.get("pid"), owner.get("started")
    here = owner.get("host") == socket.gethostname()
    if here and owner.get("namespace", _namespace()) == _namespace() and isinstance(pid, int):
        if not _runs(pid, started):
            return True
        if started is not None:
            return False
        return age > STALE_SECONDS  # the pid may be another process's now
    return abs(age) > STALE_SECONDS and not _beats(path)


def _age(path: Path) -> float | None:
    """Seconds since its heartbeat, by the clock of the file system; None where it is gone."""
    probe = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


def _beats(path: Path) -> bool:
    """Whether the heartbeat goes on while it is watched."""
    try:
        before = path.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    for _ in range(10 * WATCHED_BEATS):
        time.sleep(BEAT_SECONDS / 10)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime_ns != before:
                return True
    return False


def _namespace() -> str:
    """Of process numbers, where the system has several."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except (OSError, AttributeError):
        return ""


def _started(pid: int) -> str | float:
    """When a process started: on Linux its boot and the ticks since, which no clock changes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{boot} {words[19]}"  # field 22, starttime (proc(5)); the name may hold spaces
    except (OSError, IndexError, UnicodeDecodeError):
        return psutil.Process(pid).create_time()


def _runs(pid: int, started: object) -> bool:
    """Whether a process of this host is alive, and the one that started then."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if isinstance(started, str):
            return _started(pid) == started
        return not isinstance(started, float) or abs(process.create_time() - started) < 2
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True
