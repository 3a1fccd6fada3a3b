"""One run at a time writes into an output folder: a lock file with its owner and a heartbeat.

The lock is `.lesionseg.lock` in the folder. It names host, process and a token of the run, and its
age is the heartbeat: the owner touches it every few seconds. A lock whose owner is gone is taken
over; an owner that only slept finds another token when it next writes, and stops.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from lesionseg.errors import LockedError, OutputError
from lesionseg.storage.text_file import read_text

NAME = ".lesionseg.lock"
BEAT_SECONDS = 10.0
STALE_SECONDS = 300.0  # without a heartbeat: the host is down, or the pid belongs to another now
WATCHED_BEATS = 3  # of a heartbeat from the future, which tells no age
LEFT_BEHIND = ".partial-*"  # files of a run that was killed while it wrote them


@dataclass(frozen=True)
class Held:
    """A lock of this run. folder: resolved. given: as the user wrote it, absolute."""

    folder: Path
    given: Path
    token: str


_held: dict[Path, Held] = {}  # by folder; the stages of a run may call each other


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made where it is missing.

    A folder that this process holds already is passed through, so that one stage may call another.
    Half-written files of an owner that is gone are removed. Raises LockedError, naming host and
    pid, where another run holds it, OutputError where the folder cannot be written, or was removed
    or replaced meanwhile. The folder goes again where it was made here and stayed empty.
    """
    given = Path(os.path.abspath(folder))
    folder = given.resolve()
    if folder in _held:
        yield
        return
    made = _make_folders(folder)
    token = uuid.uuid4().hex
    try:
        if _take(folder, token):
            sweep(folder)
    except OSError as error:
        _remove_empty(made)
        raise _unwritable(folder, error) from error
    _held[folder] = Held(folder, given, token)
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder / NAME, token, done), daemon=True)
    beat.start()
    try:
        try:
            yield
        except Exception:
            check_still_held(folder / NAME)  # a folder that is gone is the reason of all else
            raise
        check_still_held(folder / NAME)
    finally:
        done.set()
        beat.join()
        del _held[folder]
        if _owner(folder / NAME).get("token") == token:
            (folder / NAME).unlink(missing_ok=True)
        _remove_empty(made)


def held() -> tuple[Held, ...]:
    """The locks of this run, for its worker processes."""
    return tuple(_held.values())


def hold_too(locks: Iterable[Held]) -> None:
    """In a worker process: write only while the run that started it holds its locks."""
    _held.update({lock.folder: lock for lock in locks})


def check_still_held(path: Path) -> None:
    """Refuse to write `path` where the run lost the folder that it lies in, or it leads out of it.

    Raises LockedError where another run took the folder over, as after this one slept; OutputError
    where the folder was removed, moved or replaced, or where a link below it leads elsewhere.
    A path in no folder of this run is not looked at.
    """
    place = Path(os.path.abspath(path))
    for lock in _held.values():
        root = next((r for r in (lock.folder, lock.given) if r in place.parents), None)
        if root is None:
            continue
        name, owner = lock.folder.name, _owner(lock.folder / NAME)
        if owner.get("token") == lock.token:
            _refuse_links(place, root)
        elif owner:
            raise LockedError(
                f"output {name} was taken over by another run ({_who(owner)}) while this one stood "
                "still; run again when that one has ended"
            )
        else:
            raise OutputError(
                f"output {name} was removed, moved or replaced while this run wrote into it; run "
                "again"
            )


def _refuse_links(place: Path, root: Path) -> None:
    """Raise OutputError where the file, or a folder between it and the output folder, is a link."""
    for parent in (place, *place.parents):
        if parent == root:
            return
        if parent.is_symlink():
            raise OutputError(
                f"{parent.name} in output {root.name} is a link, and nothing is written through "
                "one; remove it, or give another output"
            )


def _take(folder: Path, token: str) -> bool:
    """Make the lock file, or take over that of an owner who is gone: whether that was so.

    Raises LockedError.
    """
    path = folder / NAME
    if _create(path, token):
        return False
    guard = folder / f"{NAME}.takeover"  # of several who find it dead, one takes over
    if not _create(guard, token):
        if not _is_dead(guard, _owner(guard)):
            raise LockedError(_message(folder, _owner(path)))
        guard.unlink(missing_ok=True)  # of one that was killed while it took over
        if not _create(guard, token):
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
    return True


def sweep(folder: Path) -> None:
    """Remove what killed processes left half written; none may write there meanwhile."""
    for path in folder.rglob(LEFT_BEHIND):
        with contextlib.suppress(OSError):
            path.unlink()


def _create(path: Path, token: str) -> bool:
    """Write a lock file; False where there is one."""
    content = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
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


def _owner(path: Path) -> dict[str, object]:
    """What the lock file says; nothing where it is absent, half written or garbled."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_dead(path: Path, owner: Mapping[str, object]) -> bool:
    """Whether the owner of a lock file is gone, without comparing clocks of two machines.

    A process of this host is looked up; that works within one namespace of pids only, as containers
    have their own. Of all others the heartbeat tells.
    """
    age = _age(path)
    if age is None or age > STALE_SECONDS:
        return True
    pid = owner.get("pid")
    here = owner.get("host") == socket.gethostname()
    if here and owner.get("namespace", _namespace()) == _namespace() and isinstance(pid, int):
        return not _runs(pid, owner.get("started"))
    return age < -STALE_SECONDS and not _beats(path)


def _age(path: Path) -> float | None:
    """Seconds since its heartbeat, by the clock of the file system; None where it is gone."""
    probe = path.with_name(f"{NAME}.{uuid.uuid4().hex}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


def _beats(path: Path) -> bool:
    """Whether the heartbeat goes on while it is watched."""
    before = path.stat().st_mtime_ns
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


def _runs(pid: int, started: object) -> bool:
    """Whether a process of this host is alive, and the one that started then."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return not isinstance(started, float) or abs(process.create_time() - started) < 2
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True


def _beat(path: Path, token: str, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):
            if _owner(path).get("token") == token:
                now = time.time()
                os.utime(path, (now, now) if os.name == "nt" else None)


def _who(owner: Mapping[str, object]) -> str:
    return f"host {owner.get('host', 'unknown')}, pid {owner.get('pid', 'unknown')}"


def _message(folder: Path, owner: Mapping[str, object]) -> str:
    return (
        f"output {folder.name} is being written by another run ({_who(owner)}); wait for it, or "
        f"give another output. One that died counts as gone {STALE_SECONDS / 60:g} minutes after "
        f"its last heartbeat; if you know that it did, delete {NAME}"
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
