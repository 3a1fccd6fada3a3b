"""One run at a time writes into an output folder, or the jobs that share its cases.

The lock is `.lesionseg.lock` in the folder; a job that does a part of the cases has a lock of its
own beside it. A lock whose owner is gone is taken over, and what that owner was writing is removed:
every file is written under another name first, which holds its owner's mark, so one that only slept
can finish none. It finds another token when it next writes, and stops.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lesionseg.errors import LockedError, OutputError
from lesionseg.storage import lock_file
from lesionseg.storage.lock_file import STALE_SECONDS, Owner, is_held, owner_of, who

NAME = ".lesionseg.lock"
PARTS = ".lesionseg.parts.lock"  # held for short by jobs that join, leave or finish
OF_PART = ".lesionseg.part-"  # how locks of such jobs begin
LEFT_BEHIND = ".partial-"  # how files begin that are being written
MARK = 12  # letters of a token in their names
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 1800.0  # the last job writes tables and page meanwhile


@dataclass(frozen=True)
class Held:
    """A lock of this run. folder: resolved. given: as the user wrote it, absolute. name: of the
    lock file."""

    folder: Path
    given: Path
    token: str
    name: str = NAME

    @property
    def file(self) -> Path:
        return self.folder / self.name


_held: dict[Path, Held] = {}  # by lock file; the stages of a run may call each other


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made where it is missing.

    A folder that this process holds already is passed through, so that one stage may call another.
    Half-written files of an owner that is gone are removed. Raises LockedError, naming host and
    pid, where another run or a job of some of its cases holds it, OutputError where the folder
    cannot be written, or was removed or replaced meanwhile. The folder goes again where it was made
    here and stayed empty.
    """
    place = Path(folder).resolve()
    if place / NAME in _held or place / PARTS in _held:
        yield
        return
    with _holding(folder, NAME, f"output {place.name}", 0) as gone:
        jobs = sorted(place.glob(f"{OF_PART}*.lock"))
        for path in [place / PARTS, *jobs]:
            if is_held(path):
                raise LockedError(_message(path, f"output {place.name}", owner_of(path)))
        for path in jobs:  # of jobs that were killed
            path.unlink(missing_ok=True)
        if jobs or gone is not None:
            sweep(place)
        yield


@contextlib.contextmanager
def parts_locked(folder: Path) -> Iterator[None]:
    """Hold the lock under which jobs of some cases join, leave and finish; waits for it.

    Raises LockedError where a run of all cases holds the folder, or another job this one for long.
    """
    place = Path(folder).resolve()
    with _holding(folder, PARTS, f"the end of output {place.name}", PATIENCE_SECONDS):
        if is_held(place / NAME):
            raise LockedError(
                _message(place / NAME, f"output {place.name}", owner_of(place / NAME))
            )
        yield


@contextlib.contextmanager
def part_locked(folder: Path, part: str, words: str) -> Iterator[None]:
    """Hold the lock of the job that does this part of the cases. words: the part in messages.

    Raises LockedError where another job does it.
    """
    name = f"{OF_PART}{part}.lock"
    with _holding(folder, name, f"{words} of output {Path(folder).resolve().name}", 0):
        yield


def clear_parts(folder: Path) -> None:
    """Remove what killed jobs of parts left: their locks and half-written files. All jobs of the
    folder have ended, and none can join, as this process holds `parts_locked`."""
    for path in sorted(Path(folder).resolve().glob(f"{OF_PART}*.lock")):
        if not is_held(path):
            path.unlink(missing_ok=True)
    sweep(Path(folder))


def parts_at_work(folder: Path) -> list[str]:
    """The parts of a folder that jobs hold, this process's own too."""
    found = sorted(Path(folder).glob(f"{OF_PART}*.lock"))
    return [path.name[len(OF_PART) : -len(".lock")] for path in found if is_held(path)]


def held() -> tuple[Held, ...]:
    """The locks of this run, for its worker processes."""
    return tuple(_held.values())


def hold_too(locks: Iterable[Held]) -> None:
    """In a worker process: write only while the run that started it holds its locks."""
    _held.update({lock.file: lock for lock in locks})


def check_still_held(path: Path) -> None:
    """Refuse to write `path` where the run lost the folder that it lies in, or it leads out of it.

    Raises LockedError where another run took the folder over, as after this one slept; OutputError
    where the folder was removed, moved or replaced, or where a link below it leads elsewhere.
    A path in no folder of this run is not looked at.
    """
    place = Path(os.path.abspath(path))
    for lock in _held.values():
        root = _root(lock, place)
        if root is None:
            continue
        name, owner = lock.folder.name, owner_of(lock.file)
        if owner.get("token") == lock.token:
            _refuse_links(place, root)
        elif owner:
            raise LockedError(
                f"output {name} was taken over by another run ({who(owner)}) while this one stood "
                "still; run again when that one has ended"
            )
        else:
            raise OutputError(
                f"output {name} was removed, moved or replaced while this run wrote into it; run "
                "again"
            )


def mark_of(path: Path) -> str:
    """What the name of a half-written file begins with: of this run, as its lock of the folder."""
    place = Path(os.path.abspath(path))
    mine = next((lock for lock in _held.values() if _root(lock, place) is not None), None)
    return f"{LEFT_BEHIND}{mine.token[:MARK]}-" if mine else LEFT_BEHIND


def sweep(folder: Path, token: str = "") -> None:
    """Remove what killed processes left half written; none of them may write there meanwhile.

    token: of the lock whose owner they were; without it, of all.
    """
    begin = f"{LEFT_BEHIND}{token[:MARK]}-" if token else LEFT_BEHIND
    for path in folder.rglob(f"{begin}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _root(lock: Held, place: Path) -> Path | None:
    return next((root for root in (lock.folder, lock.given) if root in place.parents), None)


@contextlib.contextmanager
def _holding(folder: Path, name: str, what: str, patience: float) -> Iterator[Owner | None]:
    """Hold a lock file of a folder: the owner it was taken over from, whose half-written files are
    removed. what: it locks, for messages. patience: seconds to wait."""
    given = Path(os.path.abspath(folder))
    folder = given.resolve()
    lock = Held(folder, given, uuid.uuid4().hex, name)
    made = _make_folders(folder)
    try:
        gone = _take_or_wait(lock, what, patience)
        if gone and gone.get("token"):
            sweep(folder, str(gone["token"]))  # others may write beside the lock of a part
    except OSError as error:
        _remove_empty(made)
        raise _unwritable(folder, error) from error
    _held[lock.file] = lock
    done = threading.Event()
    beats = threading.Thread(target=lock_file.beat, args=(lock.file, lock.token, done), daemon=True)
    beats.start()
    try:
        try:
            yield gone
        except Exception:
            check_still_held(lock.file)  # a folder that is gone is the reason of all else
            raise
        check_still_held(lock.file)
    finally:
        done.set()
        beats.join()
        del _held[lock.file]
        lock_file.release(lock.file, lock.token)
        _remove_empty(made)


def _take_or_wait(lock: Held, what: str, patience: float) -> Owner | None:
    end = time.monotonic() + patience
    while True:
        try:
            return lock_file.take(
                lock.file, lock.token, lambda owner: _message(lock.file, what, owner)
            )
        except LockedError:
            if time.monotonic() >= end:
                raise
        time.sleep(POLL_SECONDS)


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


def _message(path: Path, what: str, owner: Owner) -> str:
    return (
        f"{what} is being written by another run ({who(owner)}); wait for it, or give another "
        f"output. On another host one that died counts as gone {STALE_SECONDS / 60:g} minutes "
        f"after its last heartbeat; if you know that it did, delete {path.name}"
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
