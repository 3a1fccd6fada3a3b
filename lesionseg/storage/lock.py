"""One run at a time writes into an output folder: a lock file with host, pid and heartbeat.

The lock is `.lesionseg.lock` in the folder. Its age is the heartbeat: the owner touches it every
few seconds. A lock whose owner is gone is taken over.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from lesionseg.errors import LockedError, OutputError

NAME = ".lesionseg.lock"
BEAT_SECONDS = 10.0
STALE_SECONDS = 300.0  # without a heartbeat: the host is down, or the pid belongs to another now

_held: set[Path] = set()  # by this process, whose stages may call each other


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made where it is missing.

    A folder that this process holds already is passed through, so that one stage may call another.
    Raises LockedError, naming host and pid, where another run holds it, OutputError where the
    folder cannot be written. The folder goes again where it was made here and stayed empty.
    """
    folder = Path(folder).resolve()
    if folder in _held:
        yield
        return
    made = _make_folders(folder)
    token = uuid.uuid4().hex
    try:
        _take(folder, token)
    except OSError as error:
        _remove_empty(made)
        raise _unwritable(folder, error) from error
    _held.add(folder)
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder / NAME, token, done), daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        _held.discard(folder)
        if _owner(folder / NAME).get("token") == token:
            (folder / NAME).unlink(missing_ok=True)
        _remove_empty(made)


def _take(folder: Path, token: str) -> None:
    """Make the lock file, or take over that of an owner who is gone. Raises LockedError."""
    path = folder / NAME
    if _create(path, token):
        return
    guard = folder / f"{NAME}.takeover"  # of several who find it dead, one takes over
    if not _create(guard, token) and not _is_old(guard):
        raise LockedError(_message(folder, _owner(path)))
    try:
        owner = _owner(path)
        if path.exists() and not _is_dead(path, owner):
            raise LockedError(_message(folder, owner))
        path.unlink(missing_ok=True)
        if not _create(path, token):
            raise LockedError(_message(folder, _owner(path)))
    finally:
        guard.unlink(missing_ok=True)


def _create(path: Path, token: str) -> bool:
    """Write a lock file; False where there is one."""
    content = {"host": socket.gethostname(), "pid": os.getpid(), "token": token}
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with open(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return True


def _owner(path: Path) -> dict[str, object]:
    """What the lock file says; nothing where it is absent, half written or garbled."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_dead(path: Path, owner: dict[str, object]) -> bool:
    if _is_old(path):
        return True
    pid = owner.get("pid")
    return owner.get("host") == socket.gethostname() and isinstance(pid, int) and not _runs(pid)


def _is_old(path: Path) -> bool:
    """Whether its heartbeat stopped, by the clock of the file system, not of this host."""
    probe = path.with_name(f"{NAME}.{uuid.uuid4().hex}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return True
    finally:
        probe.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    """Whether a process of this host is alive."""
    if sys.platform == "win32":  # there os.kill would end it
        kernel = getattr(ctypes, "windll").kernel32  # noqa: B009
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        code = ctypes.c_ulong()
        alive = bool(handle) and kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return bool(alive) and code.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _beat(path: Path, token: str, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):
            if _owner(path).get("token") == token:
                now = time.time()
                os.utime(path, (now, now) if sys.platform == "win32" else None)


def _message(folder: Path, owner: dict[str, object]) -> str:
    who = f"host {owner.get('host', 'unknown')}, pid {owner.get('pid', 'unknown')}"
    return (
        f"output {folder.name} is being written by another run ({who}); wait for it, or give "
        "another output"
    )


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and its parents; returns those that were missing, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write into {folder.name}: {error.strerror}; choose another output folder"
    )
